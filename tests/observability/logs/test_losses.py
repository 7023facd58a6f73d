"""The records that a handler lost."""

import pytest

from observability.logs.losses import Losses


def test_losses_are_counted_until_they_are_settled() -> None:
    losses = Losses("service.jsonl")
    losses.add("no space")
    losses.add("no space", 2)
    assert (losses.settle(), losses.settle()) == (3, 0)


def test_what_fails_and_works_in_turn_is_reported_once_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = Losses("service.jsonl")
    expected = [
        "logging: service.jsonl cannot be written: no space; 1 record lost so far.",
        "logging: service.jsonl is written again; 1 record lost.",
    ]
    for now in (1_000.0, 1_001.0):
        monkeypatch.setattr("time.monotonic", lambda at=now: at)
        for _ in range(100):
            losses.add("no space")
            losses.settle()
        assert capsys.readouterr().err.splitlines() == expected


def test_what_is_lost_for_good_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    losses = Losses("service.jsonl")
    losses.add("no space", 5)
    losses.give_up()
    assert capsys.readouterr().err.splitlines()[-1] == "logging: service.jsonl was closed; 5 records lost."
