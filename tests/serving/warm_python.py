"""A Python process that has imported the common modules, and runs each program in a fork.

A program that reads the settings needs 0.7 of its 0.8 seconds for imports. A fork starts after the imports, with its
own variables, directory and arguments, and exits like a program. It does not test what a program does before it imports
Django, or the effect of `PYTHONWARNINGS`: if a test needs that, it starts an interpreter.
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

# These modules need no settings and are not development tools.
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
# Seconds after which SIGALRM ends a program that is still running.
LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class WarmPython:
    """The running process; `warm_python()` starts and ends it."""

    requests: IO[str]
    results: IO[str]

    def run(self, *arguments: str, env: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Run `-c CODE …`, `-m MODULE …` or `FILE …` like Python, with only these variables."""
        with tempfile.TemporaryDirectory() as directory:
            output, errors = Path(directory) / "stdout", Path(directory) / "stderr"
            request = {"arguments": arguments, "env": env, "cwd": str(cwd), "stdout": str(output)}
            self.requests.write(json.dumps(request | {"stderr": str(errors)}) + "\n")
            self.requests.flush()
            status = int(self.results.readline())
            return subprocess.CompletedProcess(arguments, status, output.read_text(), errors.read_text())


@contextmanager
def warm_python() -> Iterator[WarmPython]:
    """Start the process, and stop it at the end of the block."""
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
    """Return the process that all tests of a run share. Import this fixture into a conftest.py to use it."""
    with warm_python() as python:
        yield python


def serve() -> None:
    """Fork a program for each line of stdin, and write its exit status. In the fork this function returns."""
    for name in MODULES:
        importlib.import_module(name)
    # `readline`, not iteration: iteration reads ahead, and the fork would then have later requests in its buffer.
    while request := sys.stdin.readline():
        child = os.fork()
        if not child:
            run_program(**json.loads(request))
            return
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def run_program(arguments: Sequence[str], env: dict[str, str], cwd: str, stdout: str, stderr: str) -> None:
    """Run the program in this process: set streams, variables, directory and arguments, then run its code."""
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
