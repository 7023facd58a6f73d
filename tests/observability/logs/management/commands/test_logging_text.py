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
def test_target_that_code_set_is_shown() -> None:
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
    assert "was not built by load_logging()" in render_tree(effective)


@pytest.mark.usefixtures("restored_logging")
def test_level_of_a_handler_above_the_level_of_its_logger_is_shown() -> None:
    configured = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"all": {"class": "logging.StreamHandler"}, "bad": {"class": "logging.StreamHandler", "level": 40}},
        "root": {"level": "INFO", "handlers": ["all", "bad"]},
    }
    logging.config.dictConfig(configured)
    assert "  all, bad>=ERROR" in render_tree(EffectiveConfiguration(configured))


def test_long_value_is_wrapped_in_its_column() -> None:
    written = _align([Row(0, "root"), Row(1, "handlers:", ", ".join(["handler"] * 12), Origin("a/b.yaml", 3, "base"))])
    assert written.splitlines()[1:] == [
        f"  handlers:  {', '.join(['handler'] * 6)},         b.yaml:3 base",
        f"             {', '.join(['handler'] * 6)}",
    ]


def test_probe_shows_relative_paths_and_explains_its_outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sent: Probe = {
        "logger": "a",
        "probe_id": "probe-1",
        "arrivals": [{"handler": "file", "file": str(tmp_path / "log" / "a.log"), "outcomes": {"INFO": "written"}}],
    }
    lines = render_probe(sent).splitlines()
    assert lines[3].split() == ["file", "-", "written", "-", "-", "-", "log/a.log"]
    assert [line.partition(":")[0] for line in lines[5:]] == ["written", "-"]
