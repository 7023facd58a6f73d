"""Run pytest in small projects. One server process imports Django and pytest once, and forks for each run.

A new process for each run would spend most of its time on imports. If this module is run as a program, it is the server
process: for each run it reads a line of JSON from stdin, and writes the exit status to stdout.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests.server import ROOT

# Modules that each run imports, and that can be imported without settings.
PRELOADED_MODULES = (
    "pytest", "execnet", "asyncio", "xml.etree.ElementTree", "httpx", "urllib3", "django.test", "django.test.client",
    "django.core.handlers.asgi", "django.core.management.commands.migrate", "django.db.backends.sqlite3.base",
    "django.db.models", "django.contrib.auth.hashers", "django.http.multipartparser",
    "django.utils.translation.reloader", "pytest_django.plugin", "xdist.plugin", "observability.budgets.plugin",
    "observability.recorders.middleware", "observability.checks", "observability.budgets.checks",
    "observability.recorders.database",
)  # fmt: skip
PLUGINS = ["-p", "pytest_django.plugin", "-p", "xdist.plugin"]
# pytest warns that it cannot rewrite the assertions of modules that are already imported. No test needs that.
IGNORED_WARNINGS = ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]


@dataclass(frozen=True)
class Outcome:
    """The exit status of a run, and its output on stdout and stderr."""

    status: int
    output: str


@dataclass(frozen=True)
class InnerPytest:
    """A running server process; `inner_pytest()` starts and ends it."""

    process: subprocess.Popen[str]

    def run(self, directory: Path, *arguments: str, **variables: str) -> Outcome:
        """Run pytest in a directory. Only the plugins for Django and xdist are loaded."""
        output = directory / "output"
        job = {
            "directory": str(directory),
            "arguments": [*PLUGINS, *IGNORED_WARNINGS, *arguments],
            "variables": variables,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job | {"output": str(output)}) + "\n")
        self.process.stdin.flush()
        return Outcome(int(self.process.stdout.readline()), output.read_text())


@contextmanager
def inner_pytest() -> Iterator[InnerPytest]:
    """Run the server process during the block."""
    # The tests change files within one second. Python would not notice that a bytecode file is out of date.
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"PYTHONPATH": str(ROOT)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    with subprocess.Popen(
        [sys.executable, "-m", __name__], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        yield InnerPytest(process)


def serve() -> None:
    """Fork for each line of stdin, and write the exit status of the run."""
    for name in PRELOADED_MODULES:
        importlib.import_module(name)
    # pytest collects garbage at the end of each run. Exclude the imported modules, because that is slow.
    gc.freeze()
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(job)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(job: dict[str, Any]) -> NoReturn:
    """Run pytest in the forked process, and end it without the clean-up of the server process."""
    import pytest  # noqa: PLC0415 - the tests also import this module, and do not need pytest from here

    status = 1
    try:
        os.chdir(job["directory"])
        os.environ.update(job["variables"])
        written = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(written, 1)
        os.dup2(written, 2)
        status = int(pytest.main(job["arguments"]))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - the forked process must always end here
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve()
