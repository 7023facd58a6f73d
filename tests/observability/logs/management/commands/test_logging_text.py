"""The effective configuration as text."""

import logging
import logging.config
from pathlib import Path

import pytest

from observability.logs.effective_configuration import EffectiveConfiguration
from observability.logs.logging_probe import Probe
from observability.logs.management.commands.logging import Row, _align, render_probe, render_tree
from observability.logs.yaml_layers import Origin


@pytest.mark.usefixtures("restored_logging")
def test_handler_that_code_gave_a_target_shows_it() -> None:
    configured = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "file": {"class": "logging.StreamHandler"},
            "memory": {"class": "logging.handlers.MemoryHandler", "capacity": 1},
        },
        "root": {"handlers": ["memory", "file"]},
    }
    logging.config.dictConfig(configured)
    effective = EffectiveConfiguration(configured)
    effective.live_handlers["memory"].setTarget(effective.live_handlers["file"])  # type: ignore[attr-defined]
    assert "passes on to:" in render_tree(effective)
    assert "LOGGING was not built by load_logging" in render_tree(effective)


@pytest.mark.usefixtures("restored_logging")
def test_handler_whose_level_is_above_that_of_its_logger_shows_it() -> None:
    configured = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"all": {"class": "logging.StreamHandler"}, "bad": {"class": "logging.StreamHandler", "level": 40}},
        "root": {"level": "INFO", "handlers": ["all", "bad"]},
    }
    logging.config.dictConfig(configured)
    assert "  all, bad>=ERROR" in render_tree(EffectiveConfiguration(configured))


def test_long_value_is_folded_under_itself() -> None:
    written = _align([Row(0, "root"), Row(1, "handlers:", ", ".join(["handler"] * 12), Origin("a/b.yaml", 3, "base"))])
    assert written.splitlines()[1:] == [
        f"  handlers:  {', '.join(['handler'] * 6)},         b.yaml:3 base",
        f"             {', '.join(['handler'] * 6)}",
    ]


def test_probe_shows_the_file_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sent: Probe = {
        "logger": "a",
        "probe_id": "probe-1",
        "arrivals": [{"handler": "file", "file": str(tmp_path / "log" / "a.log"), "outcomes": {"INFO": "written"}}],
    }
    assert render_probe(sent).splitlines()[-1].split() == ["file", "-", "written", "-", "-", "-", "log/a.log"]
