"""A copy of the template, as a user has it after cloning, and what they run in it."""

import http.client
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.server import DEADLINE_S, ROOT, free_port, is_listening, wait_for

COMMAND_S = 600
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis")


@dataclass(frozen=True)
class Project:
    """The copy at `path`; nothing that it runs sees the settings of the tests."""

    path: Path

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the variables of the commands; a stand-in for uv "installs" what `.venv` has already."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, "PATH": f"{self.path.parent / 'programs'}:{os.environ['PATH']}", **variables}

    def succeed(self, *command: str) -> str:
        """Run a command that has to succeed, and return what it wrote."""
        completed = subprocess.run(
            command,
            cwd=self.path,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert completed.returncode == 0, completed.stdout
        return completed.stdout

    def manage(self, *arguments: str) -> str:
        return self.succeed(".venv/bin/python", "manage.py", *arguments)

    def write(self, path: str, text: str) -> None:
        (self.path / path).write_text(text)

    def append(self, path: str, text: str) -> None:
        self.write(path, (self.path / path).read_text() + text)

    def replace(self, path: str, old: str, new: str) -> None:
        """Replace a text that occurs exactly once."""
        text = (self.path / path).read_text()
        assert text.count(old) == 1, f"{path} has {text.count(old)} times {old!r}"
        self.write(path, text.replace(old, new))

    @contextmanager
    def served(self) -> Iterator["Service"]:
        """Serve the copy by `bin/run` until the block ends."""
        port = free_port()
        output = self.path.parent / "output"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["bin/run"], cwd=self.path, env=self.environment(PORT=str(port)), stdout=file, stderr=file
            )
        try:
            wait_for(lambda: is_listening(port) or process.poll() is not None, "bin/run", deadline_s=COMMAND_S)
            assert process.poll() is None, output.read_text()
            yield Service(port, output)
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


@dataclass(frozen=True)
class Service:
    """A running `bin/run`, which writes to the file `output`."""

    port: int
    output: Path

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and the body that GET answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        with closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()


def make_project(directory: Path) -> Project:
    """Copy the repository, and give the copy an environment that shares the packages of the tests' own."""
    project = Project(directory / "bookshop")
    shutil.copytree(ROOT, project.path, ignore=LEFT_OUT)
    environment = Path(sys.prefix)
    shutil.copytree(
        environment, project.path / ".venv", symlinks=True, ignore=lambda _, names: {"lib", "lib64"} & set(names)
    )
    (project.path / ".venv" / "lib").symlink_to(environment / "lib")
    programs = directory / "programs"
    programs.mkdir()
    (programs / "uv").write_text("#!/bin/sh\n")
    (programs / "uv").chmod(0o755)
    # The types of the packages are known already: without them mypy takes most of the time.
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", project.path / ".mypy_cache")
    return project
