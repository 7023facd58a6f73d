"""The keys of an exception in a log line."""

from typing import Any

import pytest

from observability.logs.formatters import MAX_MESSAGE, MAX_STACKTRACE, exception_fields
from tests.observability.log_records import log_record


def fields_of(error: BaseException) -> dict[str, Any]:
    try:
        raise error
    except BaseException as raised:  # noqa: BLE001 - any exception is described
        return exception_fields(log_record(exc_info=(type(raised), raised, raised.__traceback__)))


def exception_with_causes(length: int) -> BaseException:
    error: BaseException = ValueError("first")
    for number in range(length):
        above = ValueError(f"number {number}")
        above.__cause__ = error
        error = above
    return error


def test_notes_and_members_of_a_group_are_reported() -> None:
    error = ExceptionGroup("imports failed", [ValueError("one"), KeyError("two")])
    error.add_note("in batch 7")
    text = fields_of(error)["exception.stacktrace"]
    assert all(part in text for part in ("in batch 7", "ValueError: one", "KeyError: 'two'"))


def test_causes_are_reported_in_one_text() -> None:
    fields = fields_of(exception_with_causes(2))
    assert fields["exception.message"] == "number 1"
    assert fields["exception.stacktrace"].index("first") < fields["exception.stacktrace"].index("number 1")


def test_long_chain_is_cut_in_its_middle() -> None:
    text = fields_of(exception_with_causes(900))["exception.stacktrace"]
    assert len(text) < MAX_STACKTRACE + 100
    assert text.startswith("ValueError: first")
    assert text.endswith("ValueError: number 899")
    assert "characters left out" in text


def test_long_message_is_cut() -> None:
    assert len(fields_of(ValueError("x" * 1_000_000))["exception.message"]) < MAX_MESSAGE + 100


def test_exception_that_is_its_own_cause_is_formatted() -> None:
    error = ValueError("round")
    error.__cause__ = error
    assert "round" in fields_of(error)["exception.stacktrace"]


class UnprintableValue(Exception):  # noqa: N818 - only a test
    def __str__(self) -> str:
        raise RuntimeError


class ExceptionWithInvalidNotes(Exception):  # noqa: N818
    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise RuntimeError


@pytest.mark.parametrize("error", [UnprintableValue(), ExceptionWithInvalidNotes()])
def test_exception_that_cannot_be_formatted_has_its_type(error: BaseException) -> None:
    fields = fields_of(error)
    assert type(error).__qualname__ in fields["exception.type"]
    assert type(error).__qualname__ in fields["exception.stacktrace"]


def test_traceback_is_formatted_once_for_all_handlers() -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        record = log_record(exc_info=(ValueError, error, error.__traceback__))
    exception_fields(record)
    record.exc_info = (ValueError, ValueError("other"), None)
    assert "broken" in exception_fields(record)["exception.stacktrace"]


def test_exc_info_without_an_exception_adds_nothing() -> None:
    assert exception_fields(log_record(exc_info=(None, None, None))) == {}


def test_no_part_of_many_secrets_is_written() -> None:
    secret = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"
    text = fields_of(ValueError(f"token={secret} " * 2_000))["exception.message"]
    assert not [start for start in range(len(secret) - 4) if secret[start : start + 5] in text]


@pytest.mark.parametrize("exc_info", [(), (ValueError,), "text", (None, "text", None)])
def test_invalid_exc_info_adds_nothing(exc_info: object) -> None:
    assert exception_fields(log_record(exc_info=exc_info)) == {}


def test_secret_at_the_cut_is_redacted() -> None:
    for before in range(MAX_MESSAGE - 20, MAX_MESSAGE + 20):
        message = fields_of(ValueError("x" * before + " api_key=s3crets3crets3cret " + "y" * 20 * MAX_MESSAGE))
        assert "s3cret" not in message["exception.message"]
