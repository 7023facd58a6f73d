"""Rate-limited diagnostics on stderr."""

import sys
from types import SimpleNamespace

import pytest

from observability.core import diagnostics
from observability.core.diagnostics import Diagnostics
from observability.text import safe_repr


def test_line_is_written_at_most_once_per_second_unless_always_is_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 0.5, 0.999, 1.0, 1.5, 2.4, 2.5])
    monkeypatch.setattr(diagnostics, "time", SimpleNamespace(monotonic=lambda: next(times)))
    logs = Diagnostics("logs:")
    for number in range(4):
        logs.write(f"failed {number}")
    logs.write("end", always=True)
    logs.write("too early")
    logs.write("a second after the end")
    assert capsys.readouterr().err == "logs: failed 0.\nlogs: failed 3.\nlogs: end.\nlogs: a second after the end.\n"


def test_line_ends_with_one_full_stop(capsys: pytest.CaptureFixture[str]) -> None:
    Diagnostics("logs:").write("The file cannot be read.")
    assert capsys.readouterr().err == "logs: The file cannot be read.\n"


class FullStream:
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stream", [None, FullStream()])
def test_unwritable_stderr_is_ignored(monkeypatch: pytest.MonkeyPatch, stream: object) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    Diagnostics("logs:").write("failed")


class Unprintable(Exception):  # noqa: N818
    def __repr__(self) -> str:
        raise RuntimeError


def test_exception_with_a_broken_repr_is_shown_by_its_type() -> None:
    assert safe_repr(Unprintable()) == "Unprintable"
    assert safe_repr(ValueError("x")) == "ValueError('x')"


def test_control_characters_are_escaped_and_the_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Diagnostics("logging: \x1b[2J").write("cannot be written: \x9b31m\nforged\u202e")
    assert capsys.readouterr().err == "logging: \\x1b[2J cannot be written: \\x9b31m\\nforged\\u202e.\n"
