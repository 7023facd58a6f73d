"""The logging probe."""

import json
import logging
import logging.config
import logging.handlers
from pathlib import Path
from typing import Any

import pytest

from observability.logs.logging_probe import ProbeResult, send_probe
from tests.observability.logs.processes import run_python
from tests.sentry_sink import sentry_sink

INTEGRATION = """
import logging, sys, sentry_sdk
from observability.logs.logging_probe import send_probe
sentry_sdk.init(dsn=sys.argv[1])
send_probe("probed")
logging.getLogger("probed").error("after the probe")
sentry_sdk.flush()
"""


class LosingHandler(logging.FileHandler):
    """Accept every record and write none."""

    def handle(self, record: logging.LogRecord) -> bool:
        return True


class OwnHandle(logging.FileHandler):
    """Write without the base class's `handle` and `emit`, and return False."""

    def handle(self, record: logging.LogRecord) -> bool:
        if self.filter(record):
            with Path(self.baseFilename).open("a") as file:
                file.write(f"{self.format(record)}\n")
        return False


class FullHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Fail as on a full disk."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            self.handleError(record)


class PagerHandler(logging.Handler):
    """Alert a person."""

    calls = 0

    def emit(self, record: logging.LogRecord) -> None:
        type(self).calls += 1


class RaisingHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Breaks who logs."""

    def handle(self, record: logging.LogRecord) -> bool:
        raise TypeError("broken")


@pytest.fixture
def probed(tmp_path: Path, restored_logging: None) -> Any:  # noqa: ANN401
    """Configure handlers for the logger `probed`, and send a probe through it."""

    def send(filters: dict[str, Any] | None = None, **handlers: dict[str, Any]) -> dict[str, ProbeResult]:
        formatter = {"()": "observability.logs.formatters.JsonFormatter", "service_name": "x"}
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"json": formatter, "plain": {"format": "%(message)s"}},
                "filters": filters or {},
                "handlers": {name: {"formatter": "json", **entry} for name, entry in handlers.items()},
                "loggers": {"probed": {"level": "INFO", "handlers": list(handlers), "propagate": False}},
            }
        )
        return {each["handler"]: each for each in send_probe("probed")["arrivals"]}

    return send


def module(name: str) -> str:
    return f"{__name__}.{name}"


def test_record_in_a_file_was_written(probed: Any, tmp_path: Path) -> None:  # noqa: ANN401
    found = probed(file={"class": "logging.FileHandler", "filename": str(tmp_path / "file.log"), "level": "ERROR"})
    assert found["file"] == {
        "handler": "file",
        "file": str(tmp_path / "file.log"),
        "outcomes": {"ERROR": "written", "CRITICAL": "written"},
    }
    lines = [json.loads(line) for line in (tmp_path / "file.log").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["logging_probe", "logging_probe"]


def test_record_in_a_file_that_was_full_during_the_probe_was_written(probed: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """Three lines fill the file."""
    path = "observability.logs.handlers.SharedRotatingFileHandler"
    entry = {"class": path, "filename": str(tmp_path / "file.log"), "maxBytes": 600, "backupCount": 1}
    found = probed(file=entry)
    assert len((tmp_path / "file.log.1").read_text().splitlines()) == 3
    assert found["file"]["outcomes"] == dict.fromkeys(("INFO", "WARNING", "ERROR", "CRITICAL"), "written")


def test_record_that_a_handler_took_and_did_not_write_is_lost(probed: Any, tmp_path: Path) -> None:  # noqa: ANN401
    found = probed(file={"class": module("LosingHandler"), "filename": str(tmp_path / "file.log"), "level": "CRITICAL"})
    assert found["file"]["outcomes"] == {"CRITICAL": "lost"}


def test_record_that_the_log_files_cannot_take_is_lost(probed: Any, tmp_path: Path) -> None:  # noqa: ANN401
    path = "observability.logs.handlers.SharedRotatingFileHandler"
    entry = {"class": path, "filename": str(tmp_path / "missing" / "file.log"), "delay": True, "level": "CRITICAL"}
    assert probed(file=entry)["file"]["outcomes"] == {"CRITICAL": "lost"}


def test_handler_that_overrides_handle_is_seen_too(probed: Any, tmp_path: Path) -> None:  # noqa: ANN401
    refuse = {"no": {"()": "observability.logs.filters.ExceptLoggersFilter", "names": ["probed"]}}
    entry = {"class": module("OwnHandle"), "filename": str(tmp_path / "file.log"), "level": "CRITICAL"}
    assert probed(file=entry)["file"]["outcomes"] == {"CRITICAL": "written"}
    assert probed(refuse, file=entry | {"filters": ["no"]})["file"]["outcomes"] == {}


def test_handler_that_fails_says_so(probed: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.setattr(logging, "raiseExceptions", False)
    assert probed(full={"class": module("FullHandler"), "level": "CRITICAL"})["full"]["outcomes"] == {
        "CRITICAL": "failed"
    }


def test_handler_that_raises_does_not_keep_the_record_from_the_others(probed: Any, tmp_path: Path) -> None:  # noqa: ANN401
    file = {"class": "logging.FileHandler", "filename": str(tmp_path / "file.log"), "level": "CRITICAL"}
    found = probed(broken={"class": module("RaisingHandler"), "level": "CRITICAL"}, file=file)
    assert found["broken"]["outcomes"] == {"CRITICAL": "failed"}
    assert found["file"]["outcomes"] == {"CRITICAL": "written"}


def test_lines_that_do_not_show_the_id_have_arrived(probed: Any, tmp_path: Path) -> None:  # noqa: ANN401
    entry = {"class": "logging.FileHandler", "filename": str(tmp_path / "file.log"), "formatter": "plain"}
    assert probed(file=entry | {"level": "CRITICAL"})["file"]["outcomes"] == {"CRITICAL": "arrived"}


def test_device_is_not_read(probed: Any) -> None:  # noqa: ANN401
    entry = {"class": "logging.FileHandler", "filename": "/dev/zero", "level": "CRITICAL", "mode": "w"}
    assert probed(file=entry)["file"]["outcomes"] == {"CRITICAL": "arrived"}


def test_handler_that_would_alert_people_is_evaluated_but_gets_no_record(probed: Any) -> None:  # noqa: ANN401
    PagerHandler.calls = 0
    refuse = {"no": {"()": "observability.logs.filters.ExceptLoggersFilter", "names": ["probed"]}}
    entry = {"class": module("PagerHandler"), "level": "CRITICAL"}
    found = probed(refuse, pager=entry, filtered=entry | {"filters": ["no"]})
    assert found["pager"]["outcomes"] == {"CRITICAL": "would report"}
    assert found["filtered"]["outcomes"] == {}
    assert PagerHandler.calls == 0


def test_integration_of_the_sentry_sdk_reports_nothing_of_a_probe() -> None:
    with sentry_sink() as sink:
        completed = run_python("-c", INTEGRATION, sink.dsn)
        assert completed.returncode == 0
        assert [event["logentry"]["message"] for event in sink.events] == ["after the probe"]


def test_handler_that_passes_on_shows_itself_and_the_other(probed: Any, tmp_path: Path) -> None:  # noqa: ANN401
    memory = {"class": "logging.handlers.MemoryHandler", "capacity": 9, "flushLevel": logging.ERROR, "target": "file"}
    found = probed(
        memory=memory, file={"class": "logging.FileHandler", "filename": str(tmp_path / "f"), "level": "ERROR"}
    )
    assert found["memory"]["outcomes"] == dict.fromkeys(("INFO", "WARNING", "ERROR", "CRITICAL"), "arrived")
    assert found["file"]["outcomes"]["CRITICAL"] == "written"


def test_handlers_are_as_they_were_afterwards(probed: Any, tmp_path: Path) -> None:  # noqa: ANN401
    probed(file={"class": "logging.FileHandler", "filename": str(tmp_path / "file.log")})
    (handler,) = logging.getLogger("probed").handlers
    assert not {"handle", "filter", "handleError"} & set(vars(handler))
