"""Run pytest in small projects: one process imports Django and pytest once, and forks for each run.

A new process for each run would spend most of its time on the imports. Run as a program, this module is that process:
it reads a line of JSON for each run, and answers with the exit status.
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

# What a run imports anyway and what needs no settings.
IMPORTED = (
    "pytest", "execnet", "asyncio", "xml.etree.ElementTree", "httpx", "urllib3", "django.test", "django.test.client",
    "django.core.handlers.asgi", "django.core.management.commands.migrate", "django.db.backends.sqlite3.base",
    "django.db.models", "django.contrib.auth.hashers", "django.http.multipartparser",
    "django.utils.translation.reloader", "pytest_django.plugin", "xdist.plugin", "observability.budgets.plugin",
    "observability.recorders.middleware", "observability.checks", "observability.budgets.checks",
    "observability.recorders.database",
)  # fmt: skip
PLUGINS = ["-p", "pytest_django.plugin", "-p", "xdist.plugin"]
# The assertions of a plugin that is imported early are not rewritten; none of them is what is tested.
IMPORTED_EARLY = ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and what it wrote to stdout and stderr."""

    status: int
    output: str


@dataclass(frozen=True)
class InnerPytest:
    """The process; `inner_pytest()` starts and ends it."""

    process: subprocess.Popen[str]

    def run(self, directory: Path, *arguments: str, **variables: str) -> Outcome:
        """Run pytest in a directory, with the plugins for Django and xdist and no others."""
        output = directory / "output"
        job = {
            "directory": str(directory),
            "arguments": [*PLUGINS, *IMPORTED_EARLY, *arguments],
            "variables": variables,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job | {"output": str(output)}) + "\n")
        self.process.stdin.flush()
        return Outcome(int(self.process.stdout.readline()), output.read_text())


@contextmanager
def inner_pytest() -> Iterator[InnerPytest]:
    """Start the process, and end it with the block."""
    # The files of a project change between its runs, within the second that bytecode is compared by.
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
    for name in IMPORTED:
        importlib.import_module(name)
    # Pytest collects garbage at the end of each run; what was imported here is none.
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
    """Run pytest in the forked process, which ends without the clean-up of the one that forked it."""
    import pytest  # noqa: PLC0415 - the tests import this module, too, and need none of it

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
    except BaseException:  # noqa: BLE001 - nothing may leave the forked process
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve()
