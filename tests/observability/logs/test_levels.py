"""Log levels that change while the process runs."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from observability.logs.levels import LevelChange, Levels, edit_changes
from tests.observability.logs.processes import run_python
from tests.server import Server, Servers, manage, wait_for

NAME = "tests.levels"
logger = logging.getLogger(NAME)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "loglevel.json"


@pytest.fixture
def levels(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Levels]:
    """Return levels that follow the file. Their thread reads the file more often than in a service."""
    monkeypatch.setattr("observability.logs.levels.POLL_INTERVAL_S", 0.02)
    followed = Levels()
    logger.setLevel(logging.NOTSET)
    followed.start(file)
    yield followed
    followed.stop()
    # Restore the other loggers that the test changed too.
    followed._apply([])
    logger.setLevel(logging.NOTSET)


def write(file: Path, level: str | None, *, name: str = NAME, seconds: float = 600) -> None:
    with edit_changes(file) as changes:
        changes.pop(name, None)
        if level is not None:
            changes[name] = LevelChange(name, level, "NOTSET", time.time() + seconds, seconds, "ada", 7)


@pytest.mark.parametrize("original", [logging.NOTSET, logging.WARNING, 13])
def test_level_is_restored_when_the_change_is_reset(file: Path, levels: Levels, original: int) -> None:
    logger.setLevel(original)
    for level in ("DEBUG", "ERROR"):
        write(file, level)
        levels.poll()
        assert logging.getLevelName(logger.level) == level
    write(file, None)
    levels.poll()
    assert logger.level == original


def test_configured_level_of_an_inheriting_logger_ignores_changes(file: Path, levels: Levels) -> None:
    logger.setLevel(logging.WARNING)
    write(file, "DEBUG")
    levels.poll()
    assert logging.getLogger(f"{NAME}.below").getEffectiveLevel() == logging.DEBUG
    assert levels.configured_level(f"{NAME}.below") == levels.configured_level(NAME) == logging.WARNING


@pytest.mark.parametrize("is_file_deleted", [False, True])
def test_change_ends_also_without_the_file(file: Path, levels: Levels, is_file_deleted: bool) -> None:
    write(file, "DEBUG", seconds=0.2)
    levels.poll()
    if is_file_deleted:
        file.unlink()
    wait_for(lambda: logger.level == logging.NOTSET, "the previous level")
    assert levels.changed_level(NAME) is None


def test_ended_change_does_not_come_back_if_the_clock_is_set_back(
    file: Path, levels: Levels, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, "DEBUG", seconds=0.2)
    before = time.time()
    levels.poll()
    wait_for(lambda: logger.level == logging.NOTSET, "the previous level")
    monkeypatch.setattr("time.time", lambda: before)
    levels.poll()
    assert logger.level == logging.NOTSET


def test_later_process_applies_the_changes(file: Path, levels: Levels) -> None:
    write(file, "DEBUG")
    later = Levels()
    later.start(file)
    later.stop()
    assert logger.level == logging.DEBUG


def test_later_process_ends_the_change_at_the_same_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change began ten minutes ago, and 0.2 s are left."""
    monkeypatch.setattr("observability.logs.levels.POLL_INTERVAL_S", 0.02)
    with edit_changes(file) as changes:
        changes[NAME] = LevelChange(NAME, "DEBUG", "NOTSET", time.time() + 0.2, 600, "ada", 7)
    later = Levels()
    later.start(file)
    wait_for(lambda: logger.level == logging.NOTSET, "the previous level")
    later.stop()


def test_idle_process_follows_the_file(file: Path, levels: Levels) -> None:
    write(file, "DEBUG")
    wait_for(lambda: logger.isEnabledFor(logging.DEBUG), "the level DEBUG")
    write(file, None)
    wait_for(lambda: not logger.isEnabledFor(logging.DEBUG), "the previous level")


def test_change_continues_if_the_file_disappears(file: Path, levels: Levels) -> None:
    write(file, "DEBUG")
    levels.poll()
    file.unlink()
    levels.poll()
    assert logger.level == logging.DEBUG


def test_level_that_other_code_set_meanwhile_is_kept(file: Path, levels: Levels) -> None:
    write(file, "DEBUG")
    levels.poll()
    logger.setLevel(logging.CRITICAL)
    write(file, None)
    levels.poll()
    assert logger.level == logging.CRITICAL


def test_file_with_other_content_is_reported_once_and_changes_nothing(
    file: Path, levels: Levels, capsys: pytest.CaptureFixture[str]
) -> None:
    write(file, "DEBUG")
    levels.poll()
    file.write_text("something else")
    for _ in range(3):
        levels.poll()
    assert logger.level == logging.DEBUG
    assert capsys.readouterr().err == f"observability: {file} is not a file of `manage.py loglevel`. Delete it.\n"


def test_changed_level_comes_from_the_nearest_changed_parent(file: Path, levels: Levels) -> None:
    assert levels.changed_level(f"{NAME}.below") is None
    write(file, "DEBUG")
    write(file, "ERROR", name=f"{NAME}.below")
    levels.poll()
    changed = [
        levels.changed_level(name) for name in ("tests", "tests.levelsome", NAME, f"{NAME}.a", f"{NAME}.below.a")
    ]
    assert changed == [None, None, logging.DEBUG, logging.DEBUG, logging.ERROR]


def test_change_of_root_applies_to_loggers_without_a_nearer_change(file: Path, levels: Levels) -> None:
    level = logging.root.level
    write(file, "WARNING", name="root")
    levels.poll()
    assert (logging.root.level, levels.changed_level("anything")) == (logging.WARNING, logging.WARNING)
    write(file, None, name="root")
    levels.poll()
    assert (logging.root.level, levels.changed_level("anything")) == (level, None)


def test_thread_ends_on_pause_and_resume_starts_a_new_one(levels: Levels) -> None:
    def thread() -> Thread | None:
        return levels._thread

    first = thread()
    levels.pause()
    assert first is not None
    assert not first.is_alive()
    levels.resume()
    second = thread()
    assert second is not None
    assert second.is_alive()
    levels.resume()
    assert thread() is second
    levels.stop()
    levels.resume()
    assert thread() is None


# Hooks before a fork run in reverse order, so this hook runs after the hook of the module.
FORK = """
import os, sys, threading
from pathlib import Path
os.register_at_fork(before=lambda: print(threading.active_count(), flush=True))
from observability.logs.levels import levels
levels.start(Path(sys.argv[1]))
print(threading.active_count(), flush=True)
child = os.fork()
if child:
    os.waitpid(child, 0)
print(threading.active_count(), flush=True)
"""


def test_thread_stops_during_a_fork_and_runs_in_both_processes_afterwards(file: Path) -> None:
    completed = run_python("-W", "error", "-c", FORK, str(file))
    assert (completed.stdout.split(), completed.stderr) == (["2", "1", "2", "2"], "")


def processes_at(server: Server, logger: str, level: str) -> set[int]:
    """Return the processes of the server that have this level of the logger in their last response."""
    answered: dict[int, str] = {}
    for _ in range(20):
        answer = json_of(server, f"/level/{logger}/")
        answered[int(answer["process"])] = answer["level"]
    return {process for process, found in answered.items() if found == level}


def json_of(server: Server, path: str) -> dict[str, str]:
    return dict(json.loads(server.get(path).body))


TWO_WORKERS = "--workers=2 --preload"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("gunicorn", TWO_WORKERS, 2),
        pytest.param("gunicorn", "--workers=2", 2),
        pytest.param("uvicorn", "", 1),
    ],
)
def test_command_reaches_each_process_of_a_server(servers: Servers, name: str, options: str, count: int) -> None:
    server = servers.get(name, **{"GUNICORN_CMD_ARGS": options} if options else {})
    assert processes_at(server, "elsewhere", "DEBUG") == set()
    manage(server.environment, "loglevel", "elsewhere", "DEBUG", "--for", "1h")
    wait_for(lambda: len(processes_at(server, "elsewhere", "DEBUG")) == count, f"the level in {count} processes")
    server.get("/level/elsewhere/", X_Request_ID="request-elsewhere")
    lines = server.lines("request-elsewhere")
    assert [line["event"] for line in lines if line["level"] == "debug"] == ["requested"]
    manage(server.environment, "loglevel", "elsewhere", "--reset")
    wait_for(lambda: len(processes_at(server, "elsewhere", "INFO")) == count, f"the previous level in {count}")


@pytest.mark.slow
def test_processes_of_a_server_end_a_change_after_its_time(servers: Servers) -> None:
    server = servers.get("gunicorn", GUNICORN_CMD_ARGS=TWO_WORKERS)
    file = Path(server.environment["VAR_DIR"]) / "loglevel.json"
    write(file, "DEBUG", name="for-a-time")
    wait_for(lambda: len(processes_at(server, "for-a-time", "DEBUG")) == 2, "the level in 2 processes")
    # The same change lasts only one second. Each process ends it, because the file is not written again.
    write(file, "DEBUG", name="for-a-time", seconds=1)
    wait_for(lambda: len(processes_at(server, "for-a-time", "INFO")) == 2, "the previous level in 2 processes")
