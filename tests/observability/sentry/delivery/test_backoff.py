"""The retry delay, and the last failure in the spool."""

from pathlib import Path

import pytest

from observability.sentry.delivery.backoff import (
    Backoff,
    DeliveryFailure,
    clear_last_failure,
    read_last_failure,
    write_last_failure,
)
from observability.sentry.delivery.spool import Spool


def test_last_failure_can_be_read_until_it_is_cleared(spool: Spool) -> None:
    spool.create()
    failure = DeliveryFailure("503 Service Unavailable", 60.0)
    write_last_failure(spool, failure)
    assert read_last_failure(spool) == failure
    clear_last_failure(spool)
    assert read_last_failure(spool) is None


def test_failure_is_not_written_without_a_spool(spool: Spool) -> None:
    write_last_failure(spool, DeliveryFailure("refused"))
    clear_last_failure(spool)
    assert not spool.root.exists()


@pytest.mark.parametrize("content", ["", "[]", '{"reason": "x", "unknown": 1}', "\0"])
def test_invalid_last_failure_is_ignored(spool: Spool, content: str) -> None:
    spool.create()
    (spool.path / "last_failure.json").write_text(content)
    assert read_last_failure(spool) is None


def test_symbolic_link_to_the_last_failure_is_not_followed(spool: Spool, tmp_path: Path) -> None:
    spool.create()
    (tmp_path / "target").write_text('{"reason": "of somebody else"}')
    (spool.path / "last_failure.json").symlink_to(tmp_path / "target")
    assert read_last_failure(spool) is None


def test_retry_delay_doubles_up_to_the_maximum() -> None:
    backoff = Backoff(first_delay_s=1, max_delay_s=10)
    longest = [max(backoff.retry_delay_s(failures) for _ in range(100)) for failures in (1, 2, 3, 4, 5, 10_000)]
    assert [round(each + 0.3) for each in longest[:3]] == [1, 2, 4]
    assert all(9 < each <= 10 for each in longest[4:])


def test_retry_delay_has_jitter() -> None:
    backoff = Backoff(first_delay_s=1)
    assert len({backoff.retry_delay_s(1) for _ in range(10)}) > 5
    assert min(backoff.retry_delay_s(1) for _ in range(100)) >= 0.8
