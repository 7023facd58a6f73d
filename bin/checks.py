"""The checks of `bin/check`. One that fails does not keep the others from running.

Each check is a program with no input: one that waits for an answer would stop CI. What it writes is shown if it fails.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 45
PYTHON_LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"


@dataclass(frozen=True)
class Check:
    """A program, and what to do if it fails.

    `arguments` are those of Python. The group of `pattern` in the output is what the program counted or named, and
    `summary` says it in a few words.
    """

    label: str
    arguments: Sequence[str]
    pattern: str
    advice: str
    summary: str = "{}"


CHECKS = (
    Check(
        "ruff check .",
        ("-m", "ruff", "check", "."),
        r"^Found (\d+ errors?)",
        "Run bin/check --fix, which makes the safe fixes. Correct the others by hand.",
    ),
    Check(
        "ruff format --check .",
        ("-m", "ruff", "format", "--check", "."),
        r"^(\d+ files? would be reformatted)",
        "Run bin/check --fix, which formats the files.",
    ),
    Check(
        "mypy .",
        ("-m", "mypy", "."),
        r"^Found (\d+ errors? in \d+ files?)",
        "Correct the types, or add `# type: ignore[code]` to the line, with the code in brackets above.",
    ),
    Check(
        "lint-imports",
        ("-c", PYTHON_LINT_IMPORTS),
        r"^Contracts: .*?(\d+ broken)",
        "Remove the import, or change the contract under [tool.importlinter] in pyproject.toml.",
    ),
    Check(
        "manage.py check",
        ("manage.py", "check"),
        r"^System check identified (\d+ issues?)",
        "Follow the HINT of each issue.",
    ),
    Check(
        "manage.py makemigrations --check --dry-run",
        ("manage.py", "makemigrations", "--check", "--dry-run", "--no-input"),
        r"^Migrations for ('\w+')",
        "Run .venv/bin/python manage.py makemigrations, and commit the file that it writes.",
        "no migration for {}",
    ),
)

FIXES = {
    "ruff check --fix-only .": ("-m", "ruff", "check", "--fix-only", "."),
    "ruff format .": ("-m", "ruff", "format", "."),
}


def run(arguments: Sequence[str]) -> tuple[int, str]:
    """Return the exit status of a program, and what it wrote."""
    completed = subprocess.run(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return completed.returncode, completed.stdout.strip()


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def last_line(output: str) -> str:
    return output.rpartition("\n")[2]


def summarize(check: Check, output: str) -> str:
    """Say what is wrong in a few words; if the program did not get that far, its last line says it."""
    found = re.findall(check.pattern, output, re.MULTILINE)
    return check.summary.format(", ".join(found)) if found else last_line(output)


def fix() -> None:
    """Make the safe fixes of ruff and format; the checks report what cannot be fixed."""
    for label, arguments in FIXES.items():
        write(f"{label:<{WIDTH}} ")
        write(f"{last_line(run(arguments)[1])}\n")


def passes(check: Check) -> bool:
    """Run a check and show its result in one line, with the output below if it failed."""
    write(f"{check.label:<{WIDTH}} ")
    status, output = run(check.arguments)
    if status == 0:
        write("passed\n")
        return True
    write(f"FAILED: {summarize(check, output) or f'exit status {status}'}\n\n{output}\n\n")
    return False


def main(arguments: list[str]) -> int:
    """Fix if that is requested, then run all checks; the exit status is 1 if one failed."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings.test"
    if "--fix" in arguments:
        fix()
    failed = [check for check in CHECKS if not passes(check)]
    if failed:
        sys.stderr.write(f"{len(failed)} of {len(CHECKS)} checks failed:\n")
        sys.stderr.writelines(f"  {check.label:<{WIDTH - 2}} {check.advice}\n" for check in failed)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
