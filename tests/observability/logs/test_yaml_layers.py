"""Load layers with the file and line of each value, and merge them."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from observability.logs.yaml_layers import Entry, fill_variables, load_layer, load_layers, merge


def layer(tmp_path: Path, text: str, name: str = "lower") -> Entry:
    (tmp_path / "layer.yaml").write_text(text)
    return load_layer(tmp_path / "layer.yaml", "layer.yaml", name)


def places(entry: Entry) -> dict[object, int]:
    """Return the line of each key, including nested keys."""
    found: dict[object, int] = {}
    for key, each in entry.entries().items():
        found |= {key: each.origin.line} | {f"{key}.{below}": line for below, line in places(each).items()}
    return found


def test_upper_layer_merges_replaces_and_removes(tmp_path: Path) -> None:
    lower = layer(tmp_path, "{kept: 1, merged: {a: 1, b: 2}, replaced: [1, 2], gone: {x: 1}, changed: {y: 1}}")
    upper = layer(tmp_path, "{merged: {b: 3, c: null}, replaced: [9], gone: null, changed: 4, new: {d: null, e: 5}}")
    merged = {"kept": 1, "merged": {"a": 1, "b": 3}, "replaced": [9], "changed": 4, "new": {"e": 5}}
    assert merge(lower, upper).to_plain() == merged
    assert lower.to_plain()["merged"] == {"a": 1, "b": 2}


def test_value_keeps_the_file_and_line_of_its_layer(tmp_path: Path) -> None:
    lower = layer(tmp_path, "handlers:\n  service:\n    level: INFO\n    maxBytes: 5\n")
    upper = layer(tmp_path, "# Quieter.\nhandlers:\n  service:\n\n    level: ERROR\n", "upper")
    merged = merge(lower, upper)
    assert [str(each.origin) for each in merged.entries()["handlers"].entries()["service"].entries().values()] == [
        "layer.yaml:5 upper", "layer.yaml:4 lower",
    ]  # fmt: skip


def test_list_is_one_value_with_the_line_of_its_key(tmp_path: Path) -> None:
    read = layer(tmp_path, "root:\n  handlers:\n    - a\n    - b\n")
    assert (read.to_plain(), places(read)) == ({"root": {"handlers": ["a", "b"]}}, {"root": 1, "root.handlers": 2})


def test_removed_entry_can_be_defined_again(tmp_path: Path) -> None:
    stack = [layer(tmp_path, text) for text in ("a: {x: 1}", "a: null", "a: {y: 2}")]
    assert merge(merge(stack[0], stack[1]), stack[2]).to_plain() == {"a": {"y": 2}}


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    text = (
        "files: &file\n  level: INFO\n  mode: a\none:\n  <<: *file\n  level: ERROR\nalso: *file\nthree: {<<: *file}\n"
    )
    read = layer(tmp_path, text)
    file = {"level": "INFO", "mode": "a"}
    assert read.to_plain() == {"files": file, "one": {"level": "ERROR", "mode": "a"}, "also": file, "three": file}
    assert places(read)["one.mode"] == 3
    assert places(read)["one.level"] == 6


def test_anchor_of_a_mapping_that_merges_can_be_used_twice(tmp_path: Path) -> None:
    text = "a: &a {x: 1}\nb: &b\n  <<: *a\n  x: 2\nc: *b\nd: {<<: *b}\n"
    assert layer(tmp_path, text).to_plain() == {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 2}, "d": {"x": 2}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "^layer.yaml:3: duplicate key 'a', in lines 1 and 3"),
        ("a:\n  - b: 1\n    b: 2\n", "^layer.yaml:3: duplicate key 'b', in lines 2 and 3"),
        ("a: &a {b: *a}", "^layer.yaml:1: contains itself"),
        ("a: &a {<<: *a}", "^layer.yaml:1: contains itself"),
        ("\na: *b", "^layer.yaml:2: cannot be read as YAML: found undefined alias"),
        ("a: !!python/object:os.system x", "^layer.yaml:1: cannot be read as YAML: could not determine a constructor"),
        ("a: 2026-99-99", "^layer.yaml:1: cannot be read as YAML: month must be"),
        ("? [a]\n: 1", "^layer.yaml:1: a key is a list or a mapping"),
        ("a: 1\n---\nb: 1", "^layer.yaml:2: cannot be read as YAML"),
    ],
)
def test_invalid_yaml_is_reported_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=expected):
        layer(tmp_path, text)


def test_duplicate_key_is_found_in_each_layer_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "layers.yaml").write_text("base: {}\nother:\n  root: {level: INFO,\n    level: DEBUG}\n")
    with pytest.raises(ImproperlyConfigured, match=r"layers.yaml:4: duplicate key 'level'"):
        load_layers(tmp_path / "layers.yaml", "layers.yaml")


@pytest.mark.parametrize(
    ("written", "filled"), [("'${A}/${A}.log'", "x/x.log"), ("['${A}', {b: '$A ${A}'}]", ["x", {"b": "$A x"}])]
)
def test_variables_are_replaced_in_all_texts(tmp_path: Path, written: str, filled: Any) -> None:  # noqa: ANN401
    assert fill_variables(layer(tmp_path, f"key: {written}"), {"A": "x"}).to_plain() == {"key": filled}
