"""Count records that a handler could not write."""

import pytest

from observability.logs.handlers import DroppedRecords


def test_dropped_records_are_counted_until_the_count_is_taken() -> None:
    dropped = DroppedRecords("service.jsonl")
    dropped.add("no space")
    dropped.add("no space", 2)
    assert (dropped.take_count(), dropped.take_count()) == (3, 0)


def test_alternating_failures_and_recoveries_are_reported_once_per_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = DroppedRecords("service.jsonl")
    expected = [
        "logging: service.jsonl cannot be written: no space; 1 record dropped so far.",
        "logging: service.jsonl can be written again; 1 record dropped before.",
    ]
    for now in (1_000.0, 1_001.0):
        monkeypatch.setattr("time.monotonic", lambda at=now: at)
        for _ in range(100):
            dropped.add("no space")
            dropped.take_count()
        assert capsys.readouterr().err.splitlines() == expected


def test_dropped_records_are_reported_when_the_handler_closes(capsys: pytest.CaptureFixture[str]) -> None:
    dropped = DroppedRecords("service.jsonl")
    dropped.add("no space", 5)
    dropped.close()
    assert capsys.readouterr().err.splitlines()[-1] == "logging: service.jsonl was closed; 5 records dropped."
