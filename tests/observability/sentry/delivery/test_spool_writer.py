"""The events of a process: in files, or in memory if the disk refuses them."""

import os

import pytest

from observability.sentry.delivery.spool import Spool
from observability.sentry.delivery.spool_writer import MemoryEvent, ProcessDirectory, SpoolWriter
from tests.observability.disk_space import space_of


@pytest.fixture
def writer(spool: Spool) -> SpoolWriter:
    return SpoolWriter(spool, max_in_memory=3)


def put_in_memory(writer: SpoolWriter, count: int) -> None:
    """Put events on a disk without space."""
    with space_of(0):
        for number in range(count):
            writer.put(b"%d" % number, "error")


def pop_all(writer: SpoolWriter) -> list[bytes]:
    contents = []
    while event := writer.pop_from_memory():
        contents.append(event.content)
    return contents


def test_event_is_in_a_file_and_not_in_memory(writer: SpoolWriter) -> None:
    writer.put(b"event", "error")
    assert [each.category for each in writer.events()] == ["error"]
    assert writer.pop_from_memory() is None


@pytest.mark.parametrize(("count", "kept"), [(3, [b"0", b"1", b"2"]), (5, [b"2", b"3", b"4"])])
def test_memory_has_the_newest_events_and_counts_the_others(writer: SpoolWriter, count: int, kept: list[bytes]) -> None:
    put_in_memory(writer, count)
    assert writer.overflow_count == count - 3
    assert pop_all(writer) == kept


def test_event_that_is_put_back_into_memory_is_the_oldest_again(writer: SpoolWriter) -> None:
    put_in_memory(writer, 3)
    event = writer.pop_from_memory()
    assert event is not None
    with space_of(0):
        assert not writer.put_back(event)
    assert pop_all(writer) == [b"0", b"1", b"2"]


def test_event_that_is_put_back_goes_to_the_disk_if_it_has_space_again(writer: SpoolWriter) -> None:
    assert writer.put_back(MemoryEvent(b"event", "error"))
    assert (len(writer.events()), writer.pop_from_memory()) == (1, None)


def test_cleared_memory_is_counted(writer: SpoolWriter) -> None:
    put_in_memory(writer, 2)
    assert (writer.clear_memory(), writer.clear_memory()) == (2, 0)


def test_directory_is_left_to_others_after_the_end(writer: SpoolWriter, spool: Spool) -> None:
    writer.put(b"event", "error")
    writer.close()
    (name,) = spool.directories()
    with spool.adopt(name) as is_dead:
        assert is_dead
    assert writer.events() == []


def test_event_without_space_for_its_end_is_not_there_at_all(spool: Spool) -> None:
    directory = ProcessDirectory.create(spool)
    with space_of(3), pytest.raises(OSError, match="File too large"):
        directory.write(b"event", "error")
    assert os.listdir(spool.path / directory.name) == ["lock"]  # noqa: PTH208 - names


def test_category_that_is_not_a_word_is_not_in_the_name(spool: Spool) -> None:
    ProcessDirectory.create(spool).write(b"event", "../../elsewhere")
    assert [each.category for each in spool.events()] == ["default"]


def test_directory_that_is_closed_empty_is_gone(spool: Spool) -> None:
    ProcessDirectory.create(spool).close()
    assert spool.directories() == []


def test_what_waits_stays_when_it_is_closed(spool: Spool) -> None:
    directory = ProcessDirectory.create(spool)
    directory.write(b"event", "error")
    directory.close()
    assert len(spool.events(directory.name)) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")
def test_what_root_writes_belongs_to_the_owner_of_the_spool(spool: Spool) -> None:
    spool.root.parent.chmod(0o755)
    os.chown(spool.root.parent, 12345, 12345)
    ProcessDirectory.create(spool).write(b"event", "error")
    owners = {each.stat().st_uid for each in (spool.root, *spool.root.rglob("*")) if each.name != "lock"}
    assert owners == {12345}
