"""`manage.py sentry test`, in a process of its own, with the settings of a production."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bugsink import Bugsink
from tests.sentry_sink import sentry_sink
from tests.server import ROOT, own_environment, wait_for

NO_HANDLER = "handlers: {sentry: null}\nroot: {handlers: [service]}\n"


def tried(directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = own_environment(directory, **variables)
    command = [sys.executable, "manage.py", "sentry", "test"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_event_is_where_it_says(tmp_path: Path, bugsink: Bugsink) -> None:
    completed = tried(tmp_path, SENTRY_DSN=bugsink.dsn)
    lines = dict(line.split(maxsplit=1) for line in completed.stdout.splitlines())
    assert (completed.returncode, completed.stderr) == (0, "")
    assert lines["answer"].startswith("200 OK, after ")
    assert lines["look"] == f"at  {bugsink.origin}/, the issue sentry_tried"
    wait_for(lambda: lines["event"] in {event["data"]["event_id"] for event in bugsink.events()}, "the event")


def test_event_that_the_server_does_not_take_is_told_with_its_answer(tmp_path: Path, bugsink: Bugsink) -> None:
    completed = tried(tmp_path, SENTRY_DSN=bugsink.dsn.replace(bugsink.access["key"], "0" * 32))
    assert completed.returncode == 1
    assert completed.stderr == "CommandError: The event did not arrive: 403 Forbidden.\n"


def test_server_that_is_away_is_told(tmp_path: Path) -> None:
    completed = tried(tmp_path, SENTRY_DSN="http://key@127.0.0.1:1/1")
    assert completed.returncode == 1
    assert completed.stderr == "CommandError: The event did not arrive: connection refused.\n"


@pytest.mark.parametrize("variable", ["SENTRY_DSN", "LOGGING_OVERRIDES"])
def test_what_is_missing_is_named(tmp_path: Path, variable: str) -> None:
    (tmp_path / "more.yaml").write_text(NO_HANDLER)
    with sentry_sink() as sink:
        given = {"SENTRY_DSN": sink.dsn, "LOGGING_OVERRIDES": str(tmp_path / "more.yaml")}
        completed = tried(tmp_path, **given | {"SENTRY_DSN": "" if variable == "SENTRY_DSN" else sink.dsn})
        assert sink.events == []
    assert completed.returncode == 1
    expected = {"SENTRY_DSN": "SENTRY_DSN is not set", "LOGGING_OVERRIDES": "LOGGING has no handler"}
    assert expected[variable] in completed.stderr
