"""Mistakes that are told with their line before dictConfig meets them."""

import logging.config
from pathlib import Path

import pytest

from observability.logs.layers.layer import merge, read_layer
from observability.logs.layers.mistakes import mistakes

RIGHT = """
version: 1
shared: {level: ERROR, stream: ext://sys.stderr}
formatters:
  plain: {format: "%(message)s", style: "%", datefmt: "%H", validate: true}
  json: {(): observability.logs.formatters.JsonFormatter, service_name: x, .: {any: 1}}
  own: {class: logging.Formatter, format: "%(message)s"}
filters:
  named: {name: django}
  except_access: {(): observability.logs.filters.ExceptLoggers, names: [a]}
handlers:
  stream: {class: logging.StreamHandler, level: cfg://shared.level, stream: cfg://shared.stream, formatter: json}
  memory: {class: logging.handlers.MemoryHandler, capacity: 10, target: stream, level: 20, .: {name: x}}
  queue: {(): logging.NullHandler, filters: [named, except_access]}
  reference: {(): ext://logging.NullHandler}
loggers:
  django: {level: WARNING, handlers: [stream, queue], filters: [named], propagate: false}
root: {level: NOTSET, handlers: [memory, reference]}
"""


def told(tmp_path: Path, *layers: str) -> list[str]:
    read = []
    for number, text in enumerate(layers):
        (tmp_path / "layer.yaml").write_text(text)
        read.append(read_layer(tmp_path / "layer.yaml", f"{number}.yaml", str(number)))
    merged = read[0]
    for layer in read[1:]:
        merged = merge(merged, layer)
    return [f"{mistake.id[-4:]} {mistake}" for mistake in mistakes(merged)]


@pytest.mark.usefixtures("restored_logging")
def test_what_dict_config_takes_is_right(tmp_path: Path) -> None:
    assert told(tmp_path, RIGHT) == []
    (tmp_path / "layer.yaml").write_text(RIGHT)
    logging.config.dictConfig(read_layer(tmp_path / "layer.yaml", "layer.yaml", "").plain())


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            "root: {handlers: [steam]}",
            "E201 1.yaml:1: the root logger names the handler 'steam', which there is not. Did",
        ),
        (
            "root: {filters: [x]}",
            "E201 1.yaml:1: the root logger names the filter 'x', which there is not. There are nam",
        ),
        ("loggers: {a: {handlers: [x]}}", "E201 1.yaml:1: the logger 'a' names the handler 'x', which there is not."),
        (
            "handlers: {stream: {formatter: jso}}",
            "E201 1.yaml:1: the handler 'stream' names the formatter 'jso', which",
        ),
        ("handlers: {stream: {filters: [x]}}", "E201 1.yaml:1: the handler 'stream' names the filter 'x', which there"),
        (
            "handlers: {memory: {target: x}}",
            "E201 1.yaml:1: the handler 'memory' names the handler 'x', which there is",
        ),
        ("handlers: {memory: {target: memory}}", "E201 1.yaml:1: the handler 'memory' passes its records on to itself"),
        (
            "formatters: {json: null}",
            "E201 0.yaml:12: the handler 'stream' names the formatter 'json', which the layer",
        ),
        ("root: {level: info}", "E202 1.yaml:1: the root logger has the unknown level 'info'. Did you mean 'INFO'?"),
        ("loggers: {a: {level: off}}", "E202 1.yaml:1: the logger 'a' has the unknown level False."),
        ("handlers: {stream: {level: 1.5}}", "E202 1.yaml:1: the handler 'stream' has the unknown level 1.5."),
        ("handlers: {a: {level: INFO}}", "E203 1.yaml:1: the handler 'a' has no class. Give it a class"),
        ("handlers: {a: {class: no.such}}", "E203 1.yaml:1: the handler 'a' needs 'no.such': No module named 'no'."),
        ("handlers: {a: {class: logging.No}}", "E203 1.yaml:1: the handler 'a' needs 'logging.No': No module named"),
        ("handlers: {a: {class: 3}}", "E203 1.yaml:1: the handler 'a' needs 3: it is no dotted name."),
        (
            "handlers: {a: {class: logging.INFO}}",
            "E203 1.yaml:1: the handler 'a' needs 'logging.INFO', which is no cla",
        ),
        (
            "handlers: {a: {class: logging.Filter}}",
            "E203 1.yaml:1: the handler 'a' needs 'logging.Filter', which is no h",
        ),
        ("formatters: {a: {(): no.such}}", "E203 1.yaml:1: the formatter 'a' needs 'no.such': No module named 'no'."),
        (
            "formatters: {a: {class: no.such}}",
            "E203 1.yaml:1: the formatter 'a' needs 'no.such': No module named 'no'.",
        ),
        ("filters: {a: {(): no.such}}", "E203 1.yaml:1: the filter 'a' needs 'no.such': No module named 'no'."),
        (
            "handlers: {stream: {steam: 1}}",
            "E204 1.yaml:1: the handler 'stream' gives 'steam' to logging.StreamHandler,",
        ),
        (
            "handlers: {memory: {capacity: null}}",
            "E204 0.yaml:13: the handler 'memory' lacks 'capacity', which logging",
        ),
        (
            "formatters: {plain: {fromat: x}}",
            "E204 1.yaml:1: the formatter 'plain' has the unknown key 'fromat'. Did you",
        ),
        ("formatters: {json: {service_name: null}}", "E204 0.yaml:6: the formatter 'json' lacks 'service_name', which"),
        (
            "filters: {except_access: {name: x}}",
            "E204 1.yaml:1: the filter 'except_access' gives 'name' to observability",
        ),
        (
            "filters: {named: {nam: x}}",
            "E204 1.yaml:1: the filter 'named' has the unknown key 'nam'. Did you mean 'name'",
        ),
        ("logger: {}", "E205 1.yaml:1: a layer has no 'logger'. Did you mean 'loggers'?"),
        ("version: 2", "E205 1.yaml:1: a LOGGING dictionary has the version 1."),
        ("loggers: [a]", "E205 1.yaml:1: 'loggers' is no mapping: ['a']."),
        ("loggers: {a: INFO}", "E205 1.yaml:1: the logger 'a' is no mapping: 'INFO'."),
        ("handlers: {a: x}", "E205 1.yaml:1: the handler 'a' is no mapping: 'x'."),
        ("filters: {a: x}", "E205 1.yaml:1: the filter 'a' is no mapping: 'x'."),
        ("loggers: {a: {propogate: false}}", "E205 1.yaml:1: the logger 'a' has the unknown key 'propogate'. Did you"),
        ("loggers: {a: {propagate: 'no'}}", "E205 1.yaml:1: the logger 'a' has the value 'no' for propagate."),
        ("root: {handlers: stream}", "E205 1.yaml:1: the root logger has handlers that are no list: 'stream'."),
    ],
)
def test_mistake_is_reported_with_its_line_and_what_to_do(tmp_path: Path, layer: str, expected: str) -> None:
    found = [each for each in told(tmp_path, RIGHT, layer) if each.startswith(expected)]
    assert len(found) == 1, told(tmp_path, RIGHT, layer)


def test_name_that_a_layer_took_away_is_reported_with_both_places(tmp_path: Path) -> None:
    (only,) = told(tmp_path, RIGHT, "\nhandlers: {queue: null}")
    message, _, hint = only.partition(" in 1.yaml:2. ")
    assert message == "E201 0.yaml:17: the logger 'django' names the handler 'queue', which the layer '1' takes away"
    assert hint == "Give the logger 'django' other handlers in that layer too."


def test_module_that_cannot_run_yet_is_left_to_dict_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_settings.py").write_text("raise RuntimeError('the settings are still being read')")
    monkeypatch.syspath_prepend(tmp_path)
    assert told(tmp_path, RIGHT, "handlers: {a: {class: needs_settings.Handler, any: 1}}") == []
