"""The effective configuration: each value with its origin."""

import json
import logging
import logging.config
import logging.handlers
from pathlib import Path

import pytest

from observability.logs.config import LayeredLogging, load_logging
from observability.logs.effective_configuration import LAST_RESORT, RUN_TIME, SETTINGS, EffectiveConfiguration, to_dict

FILE = """
base:
  version: 1
  filters: {named: {name: parent}}
  handlers:
    memory: {class: logging.handlers.MemoryHandler, capacity: 10, target: file, level: WARNING}
    file:
      class: logging.FileHandler
      filename: ${DIRECTORY}/file.log
      delay: true
    mail: {class: logging.handlers.SMTPHandler, mailhost: a, fromaddr: b, toaddrs: c, subject: d, credentials: [u, p]}
  root: {level: WARNING, handlers: [file]}
  loggers:
    parent: {level: INFO, handlers: [memory], filters: [named]}
    parent.silent: {propagate: false}
debugging:
  loggers:
    parent: {level: DEBUG}
"""


@pytest.fixture
def configured(tmp_path: Path, restored_logging: None) -> LayeredLogging:
    """Configure loggers with FILE."""
    (tmp_path / "logging.yaml").write_text(FILE)
    loaded = load_logging(tmp_path / "logging.yaml", ["debugging"], {"DIRECTORY": str(tmp_path)})
    logging.config.dictConfig(loaded)
    return loaded


def test_values_have_the_file_line_and_layer_that_define_them(configured: LayeredLogging) -> None:
    logger = EffectiveConfiguration(configured).logger("parent")
    assert (logger["level"]["value"], str(logger["level"]["origin"])) == ("DEBUG", "logging.yaml:18 debugging")
    assert (logger["handlers"]["value"], str(logger["handlers"]["origin"])) == (
        ["memory"],
        "logging.yaml:14 base",
    )
    assert (logger["filters"]["value"], str(logger["filters"]["origin"])) == (["named"], "logging.yaml:14 base")
    assert (logger["propagate"]["value"], str(logger["propagate"]["origin"])) == (True, "default")


def test_receivers_are_the_handlers_of_the_logger_and_its_parents_with_their_levels(configured: LayeredLogging) -> None:
    assert EffectiveConfiguration(configured).logger("parent.child")["receivers"][:2] == [
        {"handler": "memory", "through": "parent", "level": "WARNING"},
        {"handler": "file", "through": "root", "level": "DEBUG"},
    ]


def test_inherited_level_names_the_logger_that_defines_it(configured: LayeredLogging) -> None:
    effective = EffectiveConfiguration(configured).logger("parent.child.of.no.entry")
    assert (effective["level"]["value"], effective["level_of"]) == ("DEBUG", "parent")
    assert str(effective["level"]["origin"]) == "logging.yaml:18 debugging"


def test_logger_without_a_handler_writes_to_stderr(configured: LayeredLogging) -> None:
    # pytest adds handlers to loggers that do not propagate.
    logging.getLogger("parent.silent").handlers.clear()
    assert EffectiveConfiguration(configured).logger("parent.silent")["receivers"] == [
        {"handler": LAST_RESORT, "through": "", "level": "WARNING"}
    ]


def test_value_that_code_changed_has_the_origin_set_by_code(configured: LayeredLogging) -> None:
    logging.getLogger("parent").setLevel(logging.ERROR)
    logging.getLogger("code").addHandler(logging.StreamHandler())
    effective = EffectiveConfiguration(configured)
    assert effective.logger("parent")["level"] == {"value": "ERROR", "origin": RUN_TIME}
    assert "code" in effective.logger_names()
    assert effective.handler("logging.StreamHandler")["values"]["class"]["origin"] == RUN_TIME


def test_value_that_the_settings_changed_has_the_origin_settings(configured: LayeredLogging) -> None:
    configured["loggers"]["parent"]["level"] = "ERROR"
    logging.config.dictConfig(configured)
    assert EffectiveConfiguration(configured).logger("parent")["level"] == {"value": "ERROR", "origin": SETTINGS}


def test_values_of_a_dictionary_without_layers_have_the_origin_settings(configured: LayeredLogging) -> None:
    effective = EffectiveConfiguration(dict(configured))
    assert effective.logger("parent")["level"] == {"value": "DEBUG", "origin": SETTINGS}
    assert to_dict(effective)["file"] is None


def test_handler_has_its_values_and_the_handlers_to_which_it_passes_records(configured: LayeredLogging) -> None:
    effective = EffectiveConfiguration(configured).handler("memory")
    assert effective["passes_on_to"] == ["file"]
    assert (effective["values"]["capacity"]["value"], str(effective["values"]["capacity"]["origin"])) == (
        10,
        "logging.yaml:6 base",
    )
    assert effective["values"]["level"]["value"] == "WARNING"


def test_hangs_on_has_the_handler_that_passes_records(configured: LayeredLogging, tmp_path: Path) -> None:
    looking_up = logging.NullHandler()
    looking_up.name = "looking-up"
    looking_up.target = "named"  # type: ignore[attr-defined]
    named = logging.FileHandler(tmp_path / "named.log", delay=True)
    named.name = "named"
    logging.getLogger("code").addHandler(looking_up)
    effective = EffectiveConfiguration(configured)
    assert effective.handler("looking-up")["passes_on_to"] == ["named"]
    assert effective.handler("named")["values"]["filename"]["value"] == str(tmp_path / "named.log")


def test_handler_lists_the_loggers_that_use_it(configured: LayeredLogging) -> None:
    effective = EffectiveConfiguration(configured)
    assert [effective.handler(name)["hangs_on"] for name in ("file", "memory", "mail")] == [
        ["root", "memory"],
        ["parent"],
        [],
    ]


def test_secrets_of_a_handler_are_redacted(configured: LayeredLogging) -> None:
    assert EffectiveConfiguration(configured).handler("mail")["values"]["credentials"]["value"] == "[redacted]"


def test_loggers_are_in_the_order_of_the_tree(configured: LayeredLogging) -> None:
    names = EffectiveConfiguration(configured).logger_names()
    assert names[0] == "root"
    assert names.index("parent.silent") == names.index("parent") + 1


def test_document_is_json_with_file_line_and_layer(configured: LayeredLogging) -> None:
    effective = json.loads(json.dumps(to_dict(EffectiveConfiguration(configured), ["parent"])))
    assert list(effective["loggers"]) == ["parent"]
    assert effective["loggers"]["parent"]["level"] == {
        "value": "DEBUG",
        "origin": {"file": "logging.yaml", "line": 18, "layer": "debugging"},
    }
    assert effective["layers"] == ["base", "debugging"]
    assert effective["filters"]["named"]["name"]["value"] == "parent"
