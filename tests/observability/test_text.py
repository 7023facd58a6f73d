"""Truncated text, counts with a noun, and objects that cannot be converted to text."""

import pytest

from observability.text import exception_type_name, format_count, safe_repr, safe_str, truncate


class UnprintableError(Exception):
    """An exception whose `__str__` and `__repr__` raise."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(("text", "shortened"), [("", ""), ("abcd", "abcd"), ("abcde", "abc…")])
def test_longer_text_is_cut_to_the_limit(text: str, shortened: str) -> None:
    assert truncate(text, 4) == shortened


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 queries"), (1, "1 query"), (2, "2 queries"), (1_000_000, "1,000,000 queries")]
)
def test_count_has_a_singular_or_plural_noun(count: int, text: str) -> None:
    assert format_count(count, "query", "queries") == text


def test_plural_ends_with_s_by_default() -> None:
    assert format_count(3, "record") == "3 records"


def test_object_that_cannot_be_converted_becomes_its_type_name() -> None:
    error = UnprintableError()
    assert (safe_str(error), safe_repr(error)) == ("<unprintable UnprintableError>", "UnprintableError")
    assert (safe_str(7), safe_repr(ValueError("x"))) == ("7", "ValueError('x')")


def test_exception_type_name_includes_the_module() -> None:
    assert exception_type_name(ValueError) == "ValueError"
    assert exception_type_name(UnprintableError) == f"{__name__}.UnprintableError"
