"""Count records that a handler could not write."""

import pytest

from observability.logs.handlers import DroppedRecords


def test_dropped_records_are_counted_until_the_count_is_taken() -> None:
    dropped = DroppedRecords("service.jsonl")
    dropped.add("no space")
    dropped.add("no space", 2)
    assert (dropped.take_count(), dropped.take_count()) == (3, 0)


def test_what_fails_and_works_in_turn_is_reported_once_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = DroppedRecords("service.jsonl")
    expected = [
        "logging: service.jsonl cannot be written: no space; 1 record dropped so far.",
        "logging: service.jsonl is written again; 1 record dropped.",
    ]
    for now in (1_000.0, 1_001.0):
        monkeypatch.setattr("time.monotonic", lambda at=now: at)
        for _ in range(100):
            dropped.add("no space")
            dropped.take_count()
        assert capsys.readouterr().err.splitlines() == expected


def test_records_that_no_later_record_reports_are_reported_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    dropped = DroppedRecords("service.jsonl")
    dropped.add("no space", 5)
    dropped.close()
    assert capsys.readouterr().err.splitlines()[-1] == "logging: service.jsonl was closed; 5 records dropped."
