"""What the observability layer says of itself on stderr."""

import sys

import pytest

from observability.complaint import Complaint, shown


def test_line_is_written_once_a_second_unless_it_always_is(capsys: pytest.CaptureFixture[str]) -> None:
    complaint = Complaint("logs:")
    for number in range(3):
        complaint.tell(f"failed {number}")
    complaint.tell("end", always=True)
    assert capsys.readouterr().err == "logs: failed 0.\nlogs: end.\n"


class Full:
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stream", [None, Full()])
def test_stderr_that_cannot_be_written_raises_nothing(monkeypatch: pytest.MonkeyPatch, stream: object) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    Complaint("logs:").tell("failed")


class Unspeakable(Exception):  # noqa: N818
    def __repr__(self) -> str:
        raise RuntimeError


def test_exception_that_cannot_be_shown_is_named() -> None:
    assert shown(Unspeakable()) == "Unspeakable"
    assert shown(ValueError("x")) == "ValueError('x')"
