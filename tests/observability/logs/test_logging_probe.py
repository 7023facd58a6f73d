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
send_probe("send_probe_through")
logging.getLogger("send_probe_through").error("after the probe")
sentry_sdk.flush()
"""


class LosingHandler(logging.FileHandler):
    """Accepts each record and writes none."""

    def handle(self, record: logging.LogRecord) -> bool:
        return True


class OverriddenHandleHandler(logging.FileHandler):
    """Writes without `handle` and `emit` of the base class, and returns False."""

    def handle(self, record: logging.LogRecord) -> bool:
        if self.filter(record):
            with Path(self.baseFilename).open("a") as file:
                file.write(f"{self.format(record)}\n")
        return False


class FullHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Fails as on a full disk."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            self.handleError(record)


class PagerHandler(logging.Handler):
    """Alerts a person."""

    calls = 0

    def emit(self, record: logging.LogRecord) -> None:
        type(self).calls += 1


class RaisingHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Raises in the code that logs."""

    def handle(self, record: logging.LogRecord) -> bool:
        raise TypeError("broken")


@pytest.fixture
def send_probe_through(tmp_path: Path, restored_logging: None) -> Any:  # noqa: ANN401
    """Configure handlers for the logger `send_probe_through`, and send a probe through it."""

    def send(filters: dict[str, Any] | None = None, **handlers: dict[str, Any]) -> dict[str, ProbeResult]:
        formatter = {"()": "observability.logs.formatters.JsonFormatter", "service_name": "x"}
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"json": formatter, "plain": {"format": "%(message)s"}},
                "filters": filters or {},
                "handlers": {name: {"formatter": "json", **entry} for name, entry in handlers.items()},
                "loggers": {"send_probe_through": {"level": "INFO", "handlers": list(handlers), "propagate": False}},
            }
        )
        return {each["handler"]: each for each in send_probe("send_probe_through")["arrivals"]}

    return send


def module(name: str) -> str:
    return f"{__name__}.{name}"


def test_record_whose_line_is_in_the_file_is_written(send_probe_through: Any, tmp_path: Path) -> None:  # noqa: ANN401
    found = send_probe_through(
        file={"class": "logging.FileHandler", "filename": str(tmp_path / "file.log"), "level": "ERROR"}
    )
    assert found["file"] == {
        "handler": "file",
        "file": str(tmp_path / "file.log"),
        "outcomes": {"ERROR": "written", "CRITICAL": "written"},
    }
    lines = [json.loads(line) for line in (tmp_path / "file.log").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["logging_probe", "logging_probe"]


def test_record_in_a_file_that_was_rotated_during_the_probe_is_written(send_probe_through: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """Three lines fill the file, so it is rotated."""
    path = "observability.logs.handlers.SharedRotatingFileHandler"
    entry = {"class": path, "filename": str(tmp_path / "file.log"), "maxBytes": 600, "backupCount": 1}
    found = send_probe_through(file=entry)
    assert len((tmp_path / "file.log.1").read_text().splitlines()) == 3
    assert found["file"]["outcomes"] == dict.fromkeys(("INFO", "WARNING", "ERROR", "CRITICAL"), "written")


def test_accepted_record_without_a_line_is_lost(send_probe_through: Any, tmp_path: Path) -> None:  # noqa: ANN401
    found = send_probe_through(
        file={"class": module("LosingHandler"), "filename": str(tmp_path / "file.log"), "level": "CRITICAL"}
    )
    assert found["file"]["outcomes"] == {"CRITICAL": "lost"}


def test_record_that_cannot_be_written_to_the_log_file_is_lost(send_probe_through: Any, tmp_path: Path) -> None:  # noqa: ANN401
    path = "observability.logs.handlers.SharedRotatingFileHandler"
    entry = {"class": path, "filename": str(tmp_path / "missing" / "file.log"), "delay": True, "level": "CRITICAL"}
    assert send_probe_through(file=entry)["file"]["outcomes"] == {"CRITICAL": "lost"}


def test_handler_that_overrides_handle_is_watched(send_probe_through: Any, tmp_path: Path) -> None:  # noqa: ANN401
    refuse = {"no": {"()": "observability.logs.filters.ExceptLoggersFilter", "names": ["send_probe_through"]}}
    entry = {"class": module("OverriddenHandleHandler"), "filename": str(tmp_path / "file.log"), "level": "CRITICAL"}
    assert send_probe_through(file=entry)["file"]["outcomes"] == {"CRITICAL": "written"}
    assert send_probe_through(refuse, file=entry | {"filters": ["no"]})["file"]["outcomes"] == {}


def test_failed_handler_has_the_outcome_failed(send_probe_through: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.setattr(logging, "raiseExceptions", False)
    assert send_probe_through(full={"class": module("FullHandler"), "level": "CRITICAL"})["full"]["outcomes"] == {
        "CRITICAL": "failed"
    }


def test_other_handlers_get_the_record_if_one_raises(send_probe_through: Any, tmp_path: Path) -> None:  # noqa: ANN401
    file = {"class": "logging.FileHandler", "filename": str(tmp_path / "file.log"), "level": "CRITICAL"}
    found = send_probe_through(broken={"class": module("RaisingHandler"), "level": "CRITICAL"}, file=file)
    assert found["broken"]["outcomes"] == {"CRITICAL": "failed"}
    assert found["file"]["outcomes"] == {"CRITICAL": "written"}


def test_record_whose_line_has_no_probe_id_is_arrived(send_probe_through: Any, tmp_path: Path) -> None:  # noqa: ANN401
    entry = {"class": "logging.FileHandler", "filename": str(tmp_path / "file.log"), "formatter": "plain"}
    assert send_probe_through(file=entry | {"level": "CRITICAL"})["file"]["outcomes"] == {"CRITICAL": "arrived"}


def test_device_is_not_read(send_probe_through: Any) -> None:  # noqa: ANN401
    entry = {"class": "logging.FileHandler", "filename": "/dev/zero", "level": "CRITICAL", "mode": "w"}
    assert send_probe_through(file=entry)["file"]["outcomes"] == {"CRITICAL": "arrived"}


def test_alerting_handler_is_evaluated_but_does_not_get_the_record(send_probe_through: Any) -> None:  # noqa: ANN401
    PagerHandler.calls = 0
    refuse = {"no": {"()": "observability.logs.filters.ExceptLoggersFilter", "names": ["send_probe_through"]}}
    entry = {"class": module("PagerHandler"), "level": "CRITICAL"}
    found = send_probe_through(refuse, pager=entry, filtered=entry | {"filters": ["no"]})
    assert found["pager"]["outcomes"] == {"CRITICAL": "would report"}
    assert found["filtered"]["outcomes"] == {}
    assert PagerHandler.calls == 0


def test_sentry_sdk_integration_does_not_report_a_probe() -> None:
    with sentry_sink() as sink:
        completed = run_python("-c", INTEGRATION, sink.dsn)
        assert completed.returncode == 0
        assert [event["logentry"]["message"] for event in sink.events] == ["after the probe"]


def test_handler_that_passes_records_on_is_listed_with_its_target(send_probe_through: Any, tmp_path: Path) -> None:  # noqa: ANN401
    memory = {"class": "logging.handlers.MemoryHandler", "capacity": 9, "flushLevel": logging.ERROR, "target": "file"}
    found = send_probe_through(
        memory=memory, file={"class": "logging.FileHandler", "filename": str(tmp_path / "f"), "level": "ERROR"}
    )
    assert found["memory"]["outcomes"] == dict.fromkeys(("INFO", "WARNING", "ERROR", "CRITICAL"), "arrived")
    assert found["file"]["outcomes"]["CRITICAL"] == "written"


def test_handlers_are_unchanged_after_a_probe(send_probe_through: Any, tmp_path: Path) -> None:  # noqa: ANN401
    send_probe_through(file={"class": "logging.FileHandler", "filename": str(tmp_path / "file.log")})
    (handler,) = logging.getLogger("send_probe_through").handlers
    assert not {"handle", "filter", "handleError"} & set(vars(handler))
