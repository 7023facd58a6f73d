"""The directory of a process."""

import os

import pytest

from observability.sentry.delivery.own_directory import OwnDirectory
from observability.sentry.delivery.spool import Spool
from tests.observability.disk_space import space_of


def test_event_without_space_for_its_end_is_not_there_at_all(spool: Spool) -> None:
    directory = OwnDirectory.make(spool)
    with space_of(3), pytest.raises(OSError, match="File too large"):
        directory.write(b"event", "error")
    assert os.listdir(spool.path / directory.name) == ["lock"]  # noqa: PTH208 - names


def test_category_that_is_not_a_word_is_not_in_the_name(spool: Spool) -> None:
    OwnDirectory.make(spool).write(b"event", "../../elsewhere")
    assert [each.category for each in spool.waiting()] == ["default"]


def test_directory_that_is_closed_empty_is_gone(spool: Spool) -> None:
    OwnDirectory.make(spool).close()
    assert spool.directories() == []


def test_what_waits_stays_when_it_is_closed(spool: Spool) -> None:
    directory = OwnDirectory.make(spool)
    directory.write(b"event", "error")
    directory.close()
    assert len(spool.waiting(directory.name)) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")
def test_what_root_writes_belongs_to_the_owner_of_the_spool(spool: Spool) -> None:
    spool.root.parent.chmod(0o755)
    os.chown(spool.root.parent, 12345, 12345)
    OwnDirectory.make(spool).write(b"event", "error")
    owners = {each.stat().st_uid for each in (spool.root, *spool.root.rglob("*")) if each.name != "lock"}
    assert owners == {12345}
