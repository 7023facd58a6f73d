"""The time between two attempts."""

from observability.sentry.delivery.patience import Patience


def test_pauses_double_up_to_the_longest() -> None:
    patience = Patience(first_pause_s=1, longest_pause_s=10)
    longest = [max(patience.pause_s(failures) for _ in range(100)) for failures in (1, 2, 3, 4, 5, 10_000)]
    assert [round(each + 0.3) for each in longest[:3]] == [1, 2, 4]
    assert all(9 < each <= 10 for each in longest[4:])


def test_processes_do_not_come_all_at_once() -> None:
    patience = Patience(first_pause_s=1)
    assert len({patience.pause_s(1) for _ in range(10)}) > 5
    assert min(patience.pause_s(1) for _ in range(100)) >= 0.8
