"""A Python that has imported what every program here imports, and runs each program in a fork of itself.

A program that reads the settings spends most of its time on imports: 0.7 of 0.8 seconds. A fork starts after them, with
its own variables, directory and arguments, and ends as a program ends. What a program does before it imports Django,
and what its interpreter does with `PYTHONWARNINGS`, is not tested this way: such a test starts an interpreter.
"""

import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests.server import ROOT

# None of them needs settings, none of them belongs to the tools of development.
MODULES = (
    "django.contrib.staticfiles.storage",
    "django.core.mail",
    "django.core.management.commands.check",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.db.models",
    "django.forms",
    "django.template.backends.django",
    "django.test",
    "duckdb",
    "environ",
    "gunicorn.app.wsgiapp",
    "orjson",
    "sentry_sdk",
    "structlog",
    "yaml",
)
# The seconds after which a program that does not end is ended by SIGALRM.
LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class WarmPython:
    """The running process; `warm_python()` starts and ends it."""

    requests: IO[str]
    results: IO[str]

    def run(self, *arguments: str, env: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Run `-c CODE …`, `-m MODULE …` or `FILE …` as Python does, with these variables and no others."""
        with tempfile.TemporaryDirectory() as directory:
            output, errors = Path(directory) / "stdout", Path(directory) / "stderr"
            request = {"arguments": arguments, "env": env, "cwd": str(cwd), "stdout": str(output)}
            self.requests.write(json.dumps(request | {"stderr": str(errors)}) + "\n")
            self.requests.flush()
            status = int(self.results.readline())
            return subprocess.CompletedProcess(arguments, status, output.read_text(), errors.read_text())


@contextmanager
def warm_python() -> Iterator[WarmPython]:
    """Start the process, and end it with the block."""
    command = [sys.executable, "-m", "tests.serving.warm_python"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield WarmPython(process.stdin, process.stdout)
        process.stdin.close()


@pytest.fixture(scope="session", name="python")
def running_python() -> Iterator[WarmPython]:
    """The process that the tests of a run share; a directory that needs it imports this into its conftest."""
    with warm_python() as python:
        yield python


def serve() -> None:
    """Run a program for each line of stdin, and write its exit status; a fork returns from here to be the program."""
    for name in MODULES:
        importlib.import_module(name)
    # By `readline`, not by iteration: a fork must not hold requests that were read ahead.
    while request := sys.stdin.readline():
        child = os.fork()
        if not child:
            become(**json.loads(request))
            return
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def become(arguments: Sequence[str], env: dict[str, str], cwd: str, stdout: str, stderr: str) -> None:
    """Make this process the program: its streams, variables, directory and arguments, then its code."""
    signal.alarm(LIMIT_S)
    for descriptor, path in enumerate((os.devnull, stdout, stderr)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC if descriptor else os.O_RDONLY)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[0] = cwd
    option, *others = arguments
    if option == "-c":
        sys.argv = ["-c", *others[1:]]
        exec(others[0], {"__name__": "__main__"})
    elif option == "-m":
        sys.argv = others
        runpy.run_module(others[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(arguments)
        runpy.run_path(option, run_name="__main__")


if __name__ == "__main__":
    serve()
