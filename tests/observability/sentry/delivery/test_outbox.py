"""The events of a process: in files, and in memory if they cannot be written."""

import pytest

from observability.sentry.delivery.outbox import Letter, Outbox
from observability.sentry.delivery.spool import Spool
from tests.observability.disk_space import space_of


@pytest.fixture
def outbox(spool: Spool) -> Outbox:
    return Outbox(spool, max_in_memory=3)


def put_in_memory(outbox: Outbox, count: int) -> None:
    """Put events on a disk without space."""
    with space_of(0):
        for number in range(count):
            outbox.put(b"%d" % number, "error")


def taken_out(outbox: Outbox) -> list[bytes]:
    taken = []
    while letter := outbox.next_in_memory():
        taken.append(letter.content)
    return taken


def test_event_is_in_a_file_and_not_in_memory(outbox: Outbox) -> None:
    outbox.put(b"event", "error")
    assert [each.category for each in outbox.waiting()] == ["error"]
    assert outbox.next_in_memory() is None


@pytest.mark.parametrize(("count", "kept"), [(3, [b"0", b"1", b"2"]), (5, [b"2", b"3", b"4"])])
def test_memory_keeps_the_newest_events_and_counts_the_others(outbox: Outbox, count: int, kept: list[bytes]) -> None:
    put_in_memory(outbox, count)
    assert outbox.overflow_count == count - 3
    assert taken_out(outbox) == kept


def test_event_that_is_put_back_into_memory_is_the_oldest_again(outbox: Outbox) -> None:
    put_in_memory(outbox, 3)
    letter = outbox.next_in_memory()
    assert letter is not None
    with space_of(0):
        assert not outbox.put_back(letter)
    assert taken_out(outbox) == [b"0", b"1", b"2"]


def test_event_that_is_put_back_goes_to_the_disk_if_it_has_space_again(outbox: Outbox) -> None:
    assert outbox.put_back(Letter(b"event", "error"))
    assert (len(outbox.waiting()), outbox.next_in_memory()) == (1, None)


def test_memory_that_is_given_up_is_counted(outbox: Outbox) -> None:
    put_in_memory(outbox, 2)
    assert (outbox.drop_memory(), outbox.drop_memory()) == (2, 0)


def test_directory_is_left_to_others_after_the_end(outbox: Outbox, spool: Spool) -> None:
    outbox.put(b"event", "error")
    outbox.close()
    (name,) = spool.directories()
    with spool.adopted(name) as is_dead:
        assert is_dead
    assert outbox.waiting() == []
