"""The directory of the events that wait."""

import os
import stat
from pathlib import Path

import pytest

from observability.sentry.delivery.own_directory import OwnDirectory
from observability.sentry.delivery.spool import Spool, other_spools


def modes(path: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.lstat().st_mode) for each in (path, *path.rglob("*"))}


@pytest.fixture
def directory(spool: Spool) -> OwnDirectory:
    return OwnDirectory.make(spool)


def test_everything_is_for_its_owner_alone_also_under_a_loose_umask(spool: Spool) -> None:
    before = os.umask(0)
    try:
        OwnDirectory.make(spool).write(b"event", "error")
    finally:
        os.umask(before)
    found = modes(spool.root)
    assert set(found.values()) == {0o600, 0o700}
    assert {found[each.name] for each in spool.root.rglob("*.envelope")} == {0o600}


def test_name_and_content_do_not_show_the_key(tmp_path: Path) -> None:
    spool = Spool.of(tmp_path, "https://s3cret@sentry.example.com/1")
    spool.make()
    assert spool.path.joinpath("project").read_text() == "https://sentry.example.com/1"
    assert "s3cret" not in str(spool.path)


def test_key_makes_no_other_spool_and_project_and_host_do(tmp_path: Path) -> None:
    dsns = ["https://a@s.io/1", "https://b@s.io/1", "https://a@s.io/2", "https://a@t.io/1", "https://a@s.io/below/1"]
    names = [Spool.of(tmp_path, dsn).path for dsn in dsns]
    assert names[0] == names[1]
    assert len(set(names)) == 4


def test_oldest_event_is_the_first(spool: Spool, directory: OwnDirectory) -> None:
    other = OwnDirectory.make(spool)
    for number, each in enumerate([directory, other, directory]):
        each.write(b"%d" % number, "error")
    read = []
    for waiting in spool.waiting():
        with spool.taken(waiting) as taken:
            assert taken is not None
            read.append(taken.read())
    assert read == [b"0", b"1", b"2"]


def test_event_is_taken_once_at_a_time_and_not_after_its_removal(spool: Spool, directory: OwnDirectory) -> None:
    directory.write(b"event", "error")
    (waiting,) = spool.waiting()
    with spool.taken(waiting) as first:
        with spool.taken(waiting) as second:
            assert second is None
        assert first is not None
        first.remove()
    with spool.taken(waiting) as third:
        assert third is None


def test_link_is_not_an_event(spool: Spool, directory: OwnDirectory, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("of somebody else")
    name = f"{1:019}-0-error.envelope"
    (spool.path / directory.name / name).symlink_to(tmp_path / "target")
    (spool.path / "1-01234567").symlink_to(tmp_path)
    assert spool.waiting() == []
    assert spool.directories() == [directory.name]


def test_spool_that_is_a_link_is_not_followed(spool: Spool, tmp_path: Path) -> None:
    spool.root.mkdir()
    (tmp_path / "elsewhere").mkdir()
    spool.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        OwnDirectory.make(spool)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_directory_of_a_living_process_is_not_adopted(spool: Spool, directory: OwnDirectory) -> None:
    with spool.adopted(directory.name) as is_dead:
        assert not is_dead
    assert spool.directories() == [directory.name]


def test_directory_of_a_dead_process_goes_when_it_is_empty(spool: Spool, directory: OwnDirectory) -> None:
    directory.write(b"event", "error")
    directory.close()
    with spool.adopted(directory.name) as is_dead:
        assert is_dead
    assert spool.directories() == [directory.name]
    with spool.adopted(directory.name), spool.taken(spool.waiting()[0]) as taken:
        assert taken is not None
        taken.remove()
    assert spool.directories() == []


def test_one_process_replays_at_a_time(spool: Spool) -> None:
    spool.make()
    with spool.replaying() as first, spool.replaying() as second:
        assert (first, second) == (True, False)
    with spool.replaying() as third:
        assert third


def test_other_projects_are_found_by_what_their_spool_says(spool: Spool) -> None:
    spool.make()
    other = Spool.of(spool.root, "https://key@sentry.example.com/7")
    other.make()
    assert [(each.path, each.project) for each in other_spools(spool)] == [(other.path, "https://sentry.example.com/7")]


def test_nothing_is_made_by_looking(spool: Spool) -> None:
    assert (spool.waiting(), spool.is_empty(), spool.directories()) == ([], True, [])
    with spool.replaying() as is_replaying:
        assert not is_replaying
    assert not spool.root.exists()


def test_project_that_cannot_be_read_is_named_by_its_directory(spool: Spool) -> None:
    spool.make()
    other = Spool.of(spool.root, "https://key@sentry.example.com/7")
    other.make()
    for content in (None, ""):
        project = other.path / "project"
        project.unlink() if content is None else project.write_text(content)
        assert [each.project for each in other_spools(spool)] == [other.path.name]
