"""The checks of `bin/check`. If one fails, the others still run.

Each check is a program. It gets no input, because a program that waits for an answer would block CI. Its output is
printed if it fails.
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
    """A program to run, and what to do if it fails.

    `arguments` are the arguments of Python. The group in `pattern` matches the result in the output, such as "3
    errors", and `summary` formats it.
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
        "Run bin/check --fix, which applies the safe fixes. Correct the other errors by hand.",
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
        "Correct the types, or add `# type: ignore[code]` to the line; the code is in brackets above.",
    ),
    Check(
        "lint-imports",
        ("-c", PYTHON_LINT_IMPORTS),
        r"^Contracts: .*?(\d+ broken)",
        "Remove the import, or change the contract in [tool.importlinter] in pyproject.toml.",
    ),
    Check(
        "manage.py check",
        ("manage.py", "check"),
        r"^System check identified (\d+ issues?)",
        "Follow the hint of each issue.",
    ),
    Check(
        "manage.py makemigrations --check --dry-run",
        ("manage.py", "makemigrations", "--check", "--dry-run", "--no-input"),
        r"^Migrations for ('\w+')",
        "Run bin/manage makemigrations and commit the new file.",
        "no migration for {}",
    ),
)

FIXES = {
    "ruff check --fix-only .": ("-m", "ruff", "check", "--fix-only", "."),
    "ruff format .": ("-m", "ruff", "format", "."),
}


def run(arguments: Sequence[str]) -> tuple[int, str]:
    """Return the exit code and the output of a program."""
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
    """Return the result in a few words, or the last line of the output if `pattern` does not match."""
    found = re.findall(check.pattern, output, re.MULTILINE)
    return check.summary.format(", ".join(found)) if found else last_line(output)


def fix() -> None:
    """Apply the safe fixes of ruff and format all files; the checks report the remaining errors."""
    for label, arguments in FIXES.items():
        write(f"{label:<{WIDTH}} ")
        write(f"{last_line(run(arguments)[1])}\n")


def run_check(check: Check) -> bool:
    """Run a check and print its result in one line, and its output if it failed. Return whether it passed."""
    write(f"{check.label:<{WIDTH}} ")
    status, output = run(check.arguments)
    if status == 0:
        write("passed\n")
        return True
    write(f"FAILED: {summarize(check, output) or f'exit code {status}'}\n\n{output}\n\n")
    return False


def main(arguments: list[str]) -> int:
    """Run all checks, after the fixes if `--fix` is given. Return 1 if a check failed, otherwise 0."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings.test"
    if "--fix" in arguments:
        fix()
    failed = [check for check in CHECKS if not run_check(check)]
    if failed:
        sys.stderr.write(f"{len(failed)} of {len(CHECKS)} checks failed:\n")
        sys.stderr.writelines(f"  {check.label:<{WIDTH - 2}} {check.advice}\n" for check in failed)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
