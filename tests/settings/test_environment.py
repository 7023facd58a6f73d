"""Flags in environment variables."""

import pytest

from settings import environment


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        *((word, True) for word in ("true", "yes", "on", "1", "TRUE")),
        *((word, False) for word in ("false", "no", "off", "0", "False")),
    ],
)
def test_flag_accepts_words_for_true_and_false(
    written: str, *, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_FLAG", written)
    assert environment.flag("A_FLAG", default=not expected) is expected


@pytest.mark.parametrize("default", [True, False])
def test_empty_flag_is_its_default(monkeypatch: pytest.MonkeyPatch, *, default: bool) -> None:
    monkeypatch.setenv("A_FLAG", "")
    assert environment.flag("A_FLAG", default=default) is default
