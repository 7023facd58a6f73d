"""The layers of logging.yaml."""

import logging
import logging.config
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from observability.logs.config import load_logging, merge
from tests.server import ROOT

LAYERS = [["development"], ["test"], ["production"], ["production", "container"]]
FILE = ROOT / "logging.yaml"


def load(tmp_path: Path, *layers: str) -> dict[str, Any]:
    return load_logging(FILE, layers, {"LOG_DIR": str(tmp_path / "log"), "SERVICE_NAME": "vitrine"})


def test_upper_layer_merges_replaces_and_takes_away() -> None:
    lower = {"kept": 1, "merged": {"a": 1, "b": 2}, "replaced": [1, 2], "gone": {"x": 1}}
    upper = {"merged": {"b": 3}, "replaced": [9], "gone": None}
    assert merge(lower, upper) == {"kept": 1, "merged": {"a": 1, "b": 3}, "replaced": [9]}
    assert lower["merged"] == {"a": 1, "b": 2}


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("layers", LAYERS)
def test_every_combination_of_layers_can_be_configured(tmp_path: Path, layers: list[str]) -> None:
    logging.config.dictConfig(load(tmp_path, *layers))
    assert logging.getLogger("django.request").disabled is False


def test_production_writes_to_files_only(tmp_path: Path) -> None:
    handlers = load(tmp_path, "production")["handlers"]
    assert not [name for name, handler in handlers.items() if handler["class"] == "logging.StreamHandler"]
    assert {Path(handler["filename"]).name for handler in handlers.values() if "filename" in handler} == {
        "service.jsonl", "errors.jsonl", "sql.jsonl",
    }  # fmt: skip


def test_container_writes_the_same_lines_to_stdout_only(tmp_path: Path) -> None:
    configuration = load(tmp_path, "production", "container")
    assert not [name for name, handler in configuration["handlers"].items() if "filename" in handler]
    assert configuration["handlers"]["stdout"]["formatter"] == "json"
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("layers", LAYERS)
def test_every_dotted_name_can_be_imported(tmp_path: Path, layers: list[str]) -> None:
    configuration = load(tmp_path, *layers)
    for section in ("handlers", "formatters", "filters"):
        for entry in configuration.get(section, {}).values():
            import_string(entry.get("class") or entry["()"])


@pytest.mark.usefixtures("restored_logging")
def test_logger_that_existed_before_is_not_silenced(tmp_path: Path) -> None:
    early = logging.getLogger("early")
    logging.config.dictConfig(load(tmp_path, "production"))
    assert early.disabled is False


def test_layer_that_does_not_exist_is_named_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"names 'prod': logging.yaml has the layers base, container, dev"):
        load(tmp_path, "prod")


def test_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    with pytest.raises(ImproperlyConfigured, match=r"LOG_DIR: the directory .*log of the handler 'service' cannot"):
        load(tmp_path, "production")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("base: [", "cannot be read"),
        ("- base", "has no layer 'base'"),
        ("base: {handlers: {a: {filename: '${HOME}/x'}}}", r"uses \$\{HOME\}: there are LOG_DIR, SERVICE_NAME"),
    ],
)
def test_file_that_is_wrong_is_refused_with_the_reason(tmp_path: Path, written: str, expected: str) -> None:
    file = tmp_path / "logging.yaml"
    file.write_text(written)
    with pytest.raises(ImproperlyConfigured, match=expected):
        load_logging(file, [], {"LOG_DIR": "x", "SERVICE_NAME": "y"})
