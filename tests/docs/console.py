"""Run the `console` blocks of a page, and compare what they print with what the page shows.

A block has commands, each after `$ `, and below each its output. A line `…` stands for any lines, and `…` in a line
for any text. Values that differ in each run or with each change are compared by their kind: times, durations, identifiers, ports,
line numbers, the directory. A command whose exit code is not 0 ends in `# exit code N`. Without output in the block, only the exit code
is checked.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import Block
from tests.server import DEADLINE_S, ROOT, free_port, is_listening, wait_for

ANY = "…"
EXIT_CODE = re.compile(r" *# exit code (\d+)$")
# The address that pages name, and the directory that stands for the reader's clone.
PORT = 8000
DIRECTORY = "/path/to/vitrine"
# Seconds for one command; a run of some tests is the longest.
TIMEOUT_S = 120

PYTHON = shutil.which("python3") or "python3"

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
KINDS = (
    (re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00| UTC)?)?"), "<time>"),
    (re.compile(r"\b\d\d:\d\d:\d\d(\.\d+)?\b"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{8,}\b"), "<id>"),
    (re.compile(r"\b\d+(\.\d+)?( ?)(ms|µs|s|min)\b"), r"<number>\2\3"),
    (re.compile(r"\b\d+(\.\d+)?( ?)(B|bytes|KiB|MiB|kB|MB)\b"), r"<number>\2<bytes>"),
    (re.compile(r"\b\d+\.\d+\b"), "<number>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:<port>"),
    (re.compile(r"(\.(?:py|yaml)):\d+\b"), r"\1:<line>"),
    (re.compile(r"randomly-seed=\d+"), "randomly-seed=<number>"),
    # Columns are as wide as their widest value.
    (re.compile(r" {2,}|-{3,}|={3,}|_{3,}"), "  "),
)


@dataclass(frozen=True)
class Command:
    """A command of a block, with the exit code and the output that the page shows."""

    block: Block
    text: str
    exit_code: int
    output: str

    def __str__(self) -> str:
        return f"{self.block}: {self.text}"


def parse_commands(block: Block) -> list[Command]:
    """Return the commands of a block; a command goes on after a backslash, and up to the end of a here-document."""
    commands: list[Command] = []
    lines = block.text.splitlines()
    while lines:
        line = lines.pop(0)
        assert line.startswith("$ "), f"{block}: a command begins with '$ ', not {line!r}"
        text = line.removeprefix("$ ")
        end = re.search(r"<<'?(\w+)'?$", text)
        while text.endswith("\\") or (end and not text.endswith(f"\n{end[1]}")):
            assert lines, f"{block}: the command has no end: {line}"
            text = f"{text}\n{lines.pop(0)}"
        exit_code = EXIT_CODE.search(text)
        output: list[str] = []
        while lines and not lines[0].startswith("$ "):
            output.append(lines.pop(0))
        text = EXIT_CODE.sub("", text)
        commands.append(Command(block, text, int(exit_code[1]) if exit_code else 0, "\n".join(output).strip("\n")))
    return commands


def generalize(text: str) -> str:
    """Replace the values that differ in each run by their kind."""
    text = "\n".join(line.rstrip() for line in ESCAPES.sub("", text).strip("\n").splitlines())
    for kind, replacement in KINDS:
        text = kind.sub(replacement, text)
    return text


def matches(expected: str, printed: str) -> bool:
    """Return whether a command printed what a page shows."""
    pattern = ""
    for line in generalize(expected).splitlines():
        if line.strip() == ANY:
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += re.escape(line).replace(re.escape(ANY), r"[^\n]*?") + r"\n"
    return re.fullmatch(pattern, generalize(printed) + "\n") is not None


class Shell:
    """A shell that runs the commands of a page one after the other; it keeps variables between them."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-o", "pipefail"],
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run(self, command: str, *, timeout_s: float = TIMEOUT_S) -> tuple[int, str]:
        """Run a command; return its exit code and what it printed to both outputs.

        Raise AssertionError if the command does not end in time, or ends the shell.
        """
        assert self.process.stdin is not None
        with tempfile.NamedTemporaryFile() as output, tempfile.NamedTemporaryFile() as status:
            group = (
                f"{{ {command}\n}} </dev/null >{shlex.quote(output.name)} 2>&1\necho $? >{shlex.quote(status.name)}\n"
            )
            self.process.stdin.write(group.encode())
            self.process.stdin.flush()
            ended = Path(status.name)
            wait_for(
                lambda: ended.read_text().endswith("\n") or self.process.poll() is not None,
                f"the end of {command}",
                deadline_s=timeout_s,
            )
            assert ended.read_text(), f"{command} ended the shell, or has a quote without an end"
            return int(ended.read_text()), Path(output.name).read_text(errors="replace")

    def close(self) -> None:
        """End the shell and what it started."""
        end_group(self.process)
        assert self.process.stdin is not None
        self.process.stdin.close()


def end_group(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGKILL) -> None:
    """End a process and its children, which are in its process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    process.wait(DEADLINE_S)


class Clone:
    """A copy of the repository in which the development server runs, as after `bin/run`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "vitrine"
        copy_repository(self.path)
        # In a terminal, curl has no table of its progress between the lines of a response.
        (directory / ".curlrc").write_text("no-progress-meter\n")
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "CHROMIUM") if name in os.environ}
        self.environment = kept | {
            "HOME": str(directory),
            "COLUMNS": "100",
            "PYTHON": PYTHON,
            # In a terminal, the lines of both outputs are in the order in which they were written.
            "PYTHONUNBUFFERED": "1",
        }
        self.port = free_port()
        self.output = directory / "bin-run.output"
        self.shell = Shell(self.path, self.environment)
        self.server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start `bin/run`, and wait until it serves."""
        self.port = free_port()
        with self.output.open("wb") as output:
            self.server = subprocess.Popen(
                ["bin/run"],
                cwd=self.path,
                env=self.environment | {"PORT": str(self.port)},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        server = self.server
        wait_for(lambda: is_listening(self.port) or server.poll() is not None, "bin/run", deadline_s=TIMEOUT_S)
        assert server.poll() is None, self.output.read_text()

    def stop(self) -> None:
        """End `bin/run` and the child in which the development server runs."""
        if self.server is not None:
            end_group(self.server, signal.SIGTERM)

    def run(self, command: Command) -> tuple[int, str]:
        """Run a command of a page; the port and the directory in its output are those of the page.

        If the command changes the code, the server is started again: Django may miss a change soon after a start.
        """
        if command.text == "bin/run":
            return 0, self._as_on_a_page(self.output.read_text())
        code = self._read_code()
        exit_code, printed = self.shell.run(command.text.replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{self.port}"))
        printed = self._as_on_a_page(printed)
        if self._read_code() != code:
            self.stop()
            self.start()
        return exit_code, printed

    def _as_on_a_page(self, text: str) -> str:
        """Replace the port and the directory by those of the pages."""
        return text.replace(f"127.0.0.1:{self.port}", f"127.0.0.1:{PORT}").replace(str(self.path), DIRECTORY)

    def _read_code(self) -> dict[Path, str]:
        packages = ("observability", "service", "settings")
        return {path: path.read_text() for package in packages for path in (self.path / package).rglob("*.py")}


@contextmanager
def running_clone(directory: Path) -> Iterator[Clone]:
    """Copy the repository, start `bin/run` in the copy, and end it with the block."""
    clone = Clone(directory)
    try:
        clone.start()
        yield clone
    finally:
        clone.shell.close()
        clone.stop()


def copy_repository(path: Path) -> None:
    """Copy the files that git has or would add, with an environment that needs no installation."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    identity = ["-c", "user.name=Vitrine", "-c", "user.email=vitrine@example.com"]
    for command in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "--message=A copy"]):
        subprocess.run(["git", *command], cwd=path, check=True)
    link_environment(path)


def link_environment(path: Path) -> None:
    """Make a .venv with the packages of the one that runs the tests; each requirements file counts as installed."""
    source = ROOT / ".venv"
    environment = path / ".venv"
    environment.mkdir()
    shutil.copytree(source / "bin", environment / "bin", symlinks=True)
    shutil.copy(source / "pyvenv.cfg", environment)
    (environment / "lib").symlink_to(source / "lib")
    for requirements in path.glob("requirements*.txt"):
        seal_environment(path, requirements.name)


def seal_environment(path: Path, requirements: str) -> None:
    """Write the stamp that bin/environment.py writes after an installation."""
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'bin'); import environment as e;"
        "made = e.Environment(e.ROOT / '.venv'); file = e.ROOT / sys.argv[1];"
        "made.stamp(file).write_text(e.stamp_text(file, e.find_version(made)))"
    )
    subprocess.run([PYTHON, "-c", program, requirements], cwd=path, check=True)
