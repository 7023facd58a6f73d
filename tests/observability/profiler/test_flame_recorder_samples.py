"""Samples of pyinstrument as JSON data."""

import json
from pathlib import Path

import pytest

from observability.profiler import flame_recorder
from observability.profiler.flame_recorder import to_flame_samples

RECORDER = "/somewhere/recorder.py"


def frame(name: str, file: str = "/other/a.py", line: int = 1, *attributes: str) -> str:
    return "\x01".join(["\x00".join([name, file, str(line)]), *attributes])


def stack(*names: str) -> list[str]:
    return [frame("server"), frame("sample", RECORDER), *map(frame, names)]


def test_stacks_start_after_the_recorder() -> None:
    found = to_flame_samples([(stack("view", "query"), 0.001)], RECORDER)
    assert [found["frames"][number][0] for number in found["samples"][0]] == ["view", "query"]


def test_stack_without_the_recorder_is_unchanged() -> None:
    found = to_flame_samples([([frame("loop"), "[await]"], 0.001)], RECORDER)
    assert found["frames"] == [("loop", "/other/a.py:1", False), ("[await]", "", False)]


def test_consecutive_equal_stacks_are_one_sample() -> None:
    found = to_flame_samples(
        [(stack("a"), 0.001), (stack("a"), 0.002), (stack("b"), 0.001), (stack("a"), 0.001)], RECORDER
    )
    assert (found["samples"], found["weights_ms"]) == ([[0], [1], [0]], [3.0, 1.0, 1.0])


def test_samples_over_the_limit_are_not_stored_and_their_time_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flame_recorder, "MAX_SAMPLES", 2)
    found = to_flame_samples([(stack(name), 0.001) for name in "abcb"], RECORDER)
    assert (len(found["samples"]), found["left_out_ms"]) == (2, 2.0)


def test_method_has_the_class_of_its_object() -> None:
    found = to_flame_samples([([frame("save", "/other/a.py", 7, "l9", "cBook")], 0.001)], RECORDER)
    assert found["frames"] == [("Book.save", "/other/a.py:7", False)]


@pytest.mark.parametrize(
    ("file", "place", "is_own"),
    [
        (str(Path.cwd() / "service" / "models.py"), "service/models.py:3", True),
        ("/env/lib/python3/site-packages/django/urls.py", "django/urls.py:3", False),
        (pytest.__file__, "pytest/__init__.py:3", False),
        (json.__file__, "json/__init__.py:3", False),
        (str(Path.cwd() / "observability" / "core" / "steps.py"), "observability/core/steps.py:3", False),
        ("<frozen importlib._bootstrap>", "", False),
        ("<built-in>", "", False),
    ],
)
def test_path_is_relative_to_its_directory_in_sys_path(file: str, place: str, is_own: bool) -> None:
    assert to_flame_samples([([frame("f", file, 3)], 0.001)], RECORDER)["frames"] == [("f", place, is_own)]
