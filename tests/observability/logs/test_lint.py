"""Lint errors of a logging configuration, each with its line."""

import logging.config
from pathlib import Path

import pytest

from observability.logs.lint import lint
from observability.logs.yaml_layers import load_layer, merge

RIGHT = """
version: 1
shared: {level: ERROR, stream: ext://sys.stderr}
formatters:
  plain: {format: "%(message)s", style: "%", datefmt: "%H", validate: true}
  json: {(): observability.logs.formatters.JsonFormatter, service_name: x, .: {any: 1}}
  own: {class: logging.Formatter, format: "%(message)s"}
filters:
  named: {name: django}
  except_access: {(): observability.logs.filters.ExceptLoggersFilter, names: [a]}
handlers:
  stream: {class: logging.StreamHandler, level: cfg://shared.level, stream: cfg://shared.stream, formatter: json}
  memory: {class: logging.handlers.MemoryHandler, capacity: 10, target: stream, level: 20, .: {name: x}}
  queue: {(): logging.NullHandler, filters: [named, except_access]}
  reference: {(): ext://logging.NullHandler}
loggers:
  django: {level: WARNING, handlers: [stream, queue], filters: [named], propagate: false}
root: {level: NOTSET, handlers: [memory, reference]}
"""


def lint_layers(tmp_path: Path, *layers: str) -> list[str]:
    read = []
    for number, text in enumerate(layers):
        (tmp_path / "layer.yaml").write_text(text)
        read.append(load_layer(tmp_path / "layer.yaml", f"{number}.yaml", str(number)))
    merged = read[0]
    for layer in read[1:]:
        merged = merge(merged, layer)
    return [f"{error.id[-4:]} {error}" for error in lint(merged)]


@pytest.mark.usefixtures("restored_logging")
def test_configuration_that_dict_config_accepts_has_no_errors(tmp_path: Path) -> None:
    assert lint_layers(tmp_path, RIGHT) == []
    (tmp_path / "layer.yaml").write_text(RIGHT)
    logging.config.dictConfig(load_layer(tmp_path / "layer.yaml", "layer.yaml", "").to_plain())


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            "root: {handlers: [steam]}",
            "E201 1.yaml:1: the root logger references handler 'steam', which is not defined. Did",
        ),
        (
            "root: {filters: [x]}",
            "E201 1.yaml:1: the root logger references filter 'x', which is not defined. Available: nam",
        ),
        ("loggers: {a: {handlers: [x]}}", "E201 1.yaml:1: logger 'a' references handler 'x', which is not defined."),
        (
            "handlers: {stream: {formatter: jso}}",
            "E201 1.yaml:1: handler 'stream' references formatter 'jso', which",
        ),
        ("handlers: {stream: {filters: [x]}}", "E201 1.yaml:1: handler 'stream' references filter 'x', which is not"),
        (
            "handlers: {memory: {target: x}}",
            "E201 1.yaml:1: handler 'memory' references handler 'x', which is not",
        ),
        (
            "handlers: {memory: {target: memory}}",
            "E201 1.yaml:1: handler 'memory' references itself",
        ),
        (
            "formatters: {json: null}",
            "E201 0.yaml:12: handler 'stream' references formatter 'json', which layer",
        ),
        ("root: {level: info}", "E202 1.yaml:1: the root logger has the unknown level 'info'. Did you mean 'INFO'?"),
        ("loggers: {a: {level: off}}", "E202 1.yaml:1: logger 'a' has the unknown level False."),
        ("handlers: {stream: {level: 1.5}}", "E202 1.yaml:1: handler 'stream' has the unknown level 1.5."),
        ("handlers: {a: {level: INFO}}", "E203 1.yaml:1: handler 'a' has no class. Add the key class"),
        (
            "handlers: {a: {class: no.such}}",
            "E203 1.yaml:1: handler 'a' uses 'no.such', which cannot be imported: No module named 'no'.",
        ),
        (
            "handlers: {a: {class: logging.No}}",
            "E203 1.yaml:1: handler 'a' uses 'logging.No', which cannot be imported: No module named",
        ),
        (
            "handlers: {a: {class: 3}}",
            "E203 1.yaml:1: handler 'a' uses 3, which cannot be imported: this is not a dotted name.",
        ),
        (
            "handlers: {a: {class: logging.INFO}}",
            "E203 1.yaml:1: handler 'a' uses 'logging.INFO', which is not a cla",
        ),
        (
            "handlers: {a: {class: logging.Filter}}",
            "E203 1.yaml:1: handler 'a' uses 'logging.Filter', which is not a h",
        ),
        (
            "formatters: {a: {(): no.such}}",
            "E203 1.yaml:1: formatter 'a' uses 'no.such', which cannot be imported: No module named 'no'.",
        ),
        (
            "formatters: {a: {class: no.such}}",
            "E203 1.yaml:1: formatter 'a' uses 'no.such', which cannot be imported: No module named 'no'.",
        ),
        (
            "filters: {a: {(): no.such}}",
            "E203 1.yaml:1: filter 'a' uses 'no.such', which cannot be imported: No module named 'no'.",
        ),
        (
            "handlers: {stream: {steam: 1}}",
            "E204 1.yaml:1: handler 'stream' passes 'steam' to logging.StreamHandler,",
        ),
        (
            "handlers: {memory: {capacity: null}}",
            "E204 0.yaml:13: handler 'memory' does not pass 'capacity', which logging",
        ),
        (
            "formatters: {plain: {fromat: x}}",
            "E204 1.yaml:1: formatter 'plain' has the unknown key 'fromat'. Did you",
        ),
        (
            "formatters: {json: {service_name: null}}",
            "E204 0.yaml:6: formatter 'json' does not pass 'service_name', which",
        ),
        (
            "filters: {except_access: {name: x}}",
            "E204 1.yaml:1: filter 'except_access' passes 'name' to observability",
        ),
        (
            "filters: {named: {nam: x}}",
            "E204 1.yaml:1: filter 'named' has the unknown key 'nam'. Did you mean 'name'",
        ),
        ("logger: {}", "E205 1.yaml:1: the layer has the unknown key 'logger'. Did you mean 'loggers'?"),
        ("version: 2", "E205 1.yaml:1: the key `version` is missing or is not 1."),
        ("loggers: [a]", "E205 1.yaml:1: 'loggers' is not a mapping: ['a']."),
        ("loggers: {a: INFO}", "E205 1.yaml:1: logger 'a' is not a mapping: 'INFO'."),
        ("handlers: {a: x}", "E205 1.yaml:1: handler 'a' is not a mapping: 'x'."),
        ("filters: {a: x}", "E205 1.yaml:1: filter 'a' is not a mapping: 'x'."),
        ("loggers: {a: {propogate: false}}", "E205 1.yaml:1: logger 'a' has the unknown key 'propogate'. Did you"),
        ("loggers: {a: {propagate: 'no'}}", "E205 1.yaml:1: logger 'a' has propagate 'no', which is not a boolean."),
        ("root: {handlers: stream}", "E205 1.yaml:1: the root logger has handlers 'stream', which is not a list."),
    ],
)
def test_error_is_reported_with_its_line_and_a_hint(tmp_path: Path, layer: str, expected: str) -> None:
    found = [each for each in lint_layers(tmp_path, RIGHT, layer) if each.startswith(expected)]
    assert len(found) == 1, lint_layers(tmp_path, RIGHT, layer)


def test_removed_name_is_reported_with_both_lines(tmp_path: Path) -> None:
    (only,) = lint_layers(tmp_path, RIGHT, "\nhandlers: {queue: null}")
    message, _, hint = only.partition(" in 1.yaml:2. ")
    assert message == "E201 0.yaml:17: logger 'django' references handler 'queue', which layer '1' removes"
    assert hint == "Change the handlers of logger 'django' in that layer too."


def test_module_that_cannot_be_imported_yet_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_settings.py").write_text("raise RuntimeError('the settings are not loaded yet')")
    monkeypatch.syspath_prepend(tmp_path)
    assert lint_layers(tmp_path, RIGHT, "handlers: {a: {class: needs_settings.Handler, any: 1}}") == []
