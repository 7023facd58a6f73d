"""What the words of a variable mean."""

import pytest

from settings import environment


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        *((word, True) for word in ("true", "yes", "on", "1", "TRUE")),
        *((word, False) for word in ("false", "no", "off", "0", "False")),
    ],
)
def test_flag_is_one_of_its_words(written: str, *, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_FLAG", written)
    assert environment.flag("A_FLAG", default=not expected) is expected


@pytest.mark.parametrize("default", [True, False])
def test_flag_without_a_word_is_its_default(monkeypatch: pytest.MonkeyPatch, *, default: bool) -> None:
    monkeypatch.setenv("A_FLAG", "")
    assert environment.flag("A_FLAG", default=default) is default
