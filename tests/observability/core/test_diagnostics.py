"""What the observability layer says of itself on stderr."""

import sys
from types import SimpleNamespace

import pytest

from observability.core import diagnostics
from observability.core.diagnostics import Diagnostics
from observability.text import safe_repr


def test_line_is_written_once_a_second_unless_it_always_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 0.5, 0.999, 1.0, 1.5, 2.4, 2.5])
    monkeypatch.setattr(diagnostics, "time", SimpleNamespace(monotonic=lambda: next(times)))
    written = Diagnostics("logs:")
    for number in range(4):
        written.write(f"failed {number}")
    written.write("end", always=True)
    written.write("too early")
    written.write("a second after the end")
    assert capsys.readouterr().err == "logs: failed 0.\nlogs: failed 3.\nlogs: end.\nlogs: a second after the end.\n"


def test_text_that_is_a_sentence_keeps_one_full_stop(capsys: pytest.CaptureFixture[str]) -> None:
    Diagnostics("logs:").write("The file cannot be read.")
    assert capsys.readouterr().err == "logs: The file cannot be read.\n"


class Full:
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stream", [None, Full()])
def test_stderr_that_cannot_be_written_raises_nothing(monkeypatch: pytest.MonkeyPatch, stream: object) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    Diagnostics("logs:").write("failed")


class Unspeakable(Exception):  # noqa: N818
    def __repr__(self) -> str:
        raise RuntimeError


def test_exception_that_cannot_be_shown_is_named() -> None:
    assert safe_repr(Unspeakable()) == "Unspeakable"
    assert safe_repr(ValueError("x")) == "ValueError('x')"
