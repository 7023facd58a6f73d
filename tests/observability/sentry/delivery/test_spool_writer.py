"""The events of a process: in files, or in memory if writing fails."""

import os

import pytest

from observability.sentry.delivery.spool import Spool
from observability.sentry.delivery.spool_writer import MemoryEvent, ProcessDirectory, SpoolWriter
from tests.observability.disk_space import space_of


@pytest.fixture
def writer(spool: Spool) -> SpoolWriter:
    return SpoolWriter(spool, max_in_memory=3)


def put_in_memory(writer: SpoolWriter, count: int) -> None:
    """Put events while the disk is full."""
    with space_of(0):
        for number in range(count):
            writer.put(b"%d" % number, "error")


def pop_all(writer: SpoolWriter) -> list[bytes]:
    contents = []
    while event := writer.pop_from_memory():
        contents.append(event.content)
    return contents


def test_event_is_written_to_a_file(writer: SpoolWriter) -> None:
    writer.put(b"event", "error")
    assert [each.category for each in writer.events()] == ["error"]
    assert writer.pop_from_memory() is None


@pytest.mark.parametrize(("count", "kept"), [(3, [b"0", b"1", b"2"]), (5, [b"2", b"3", b"4"])])
def test_memory_keeps_the_newest_events_and_counts_the_dropped(
    writer: SpoolWriter, count: int, kept: list[bytes]
) -> None:
    put_in_memory(writer, count)
    assert writer.overflow_count == count - 3
    assert pop_all(writer) == kept


def test_event_put_back_into_memory_is_the_oldest_again(writer: SpoolWriter) -> None:
    put_in_memory(writer, 3)
    event = writer.pop_from_memory()
    assert event is not None
    with space_of(0):
        assert not writer.put_back(event)
    assert pop_all(writer) == [b"0", b"1", b"2"]


def test_event_is_put_back_to_disk_if_there_is_space(writer: SpoolWriter) -> None:
    assert writer.put_back(MemoryEvent(b"event", "error"))
    assert (len(writer.events()), writer.pop_from_memory()) == (1, None)


def test_clear_memory_returns_the_number_of_events(writer: SpoolWriter) -> None:
    put_in_memory(writer, 2)
    assert (writer.clear_memory(), writer.clear_memory()) == (2, 0)


def test_closed_writer_releases_its_directory(writer: SpoolWriter, spool: Spool) -> None:
    writer.put(b"event", "error")
    writer.close()
    (name,) = spool.directories()
    with spool.adopt(name) as is_dead:
        assert is_dead
    assert writer.events() == []


def test_incomplete_event_is_not_left_on_a_full_disk(spool: Spool) -> None:
    directory = ProcessDirectory.create(spool)
    with space_of(3), pytest.raises(OSError, match="File too large"):
        directory.write(b"event", "error")
    assert os.listdir(spool.path / directory.name) == ["lock"]  # noqa: PTH208 - names


def test_invalid_category_is_not_in_the_file_name(spool: Spool) -> None:
    ProcessDirectory.create(spool).write(b"event", "../../elsewhere")
    assert [each.category for each in spool.events()] == ["default"]


def test_closing_an_empty_directory_removes_it(spool: Spool) -> None:
    ProcessDirectory.create(spool).close()
    assert spool.directories() == []


def test_closing_a_directory_keeps_waiting_events(spool: Spool) -> None:
    directory = ProcessDirectory.create(spool)
    directory.write(b"event", "error")
    directory.close()
    assert len(spool.events(directory.name)) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")
def test_files_written_by_root_belong_to_the_owner_of_the_spool(spool: Spool) -> None:
    spool.root.parent.chmod(0o755)
    os.chown(spool.root.parent, 12345, 12345)
    ProcessDirectory.create(spool).write(b"event", "error")
    owners = {each.stat().st_uid for each in (spool.root, *spool.root.rglob("*")) if each.name != "lock"}
    assert owners == {12345}
