"""The files of the waiting events."""

import os
import stat
from pathlib import Path

import pytest

from observability.sentry.delivery.spool import Spool, find_other_spools
from observability.sentry.delivery.spool_writer import ProcessDirectory


def modes(path: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.lstat().st_mode) for each in (path, *path.rglob("*"))}


@pytest.fixture
def directory(spool: Spool) -> ProcessDirectory:
    return ProcessDirectory.create(spool)


def test_all_files_are_private_under_any_umask(spool: Spool) -> None:
    before = os.umask(0)
    try:
        ProcessDirectory.create(spool).write(b"event", "error")
    finally:
        os.umask(before)
    found = modes(spool.root)
    assert set(found.values()) == {0o600, 0o700}
    assert {found[each.name] for each in spool.root.rglob("*.envelope")} == {0o600}


def test_spool_does_not_contain_the_key(tmp_path: Path) -> None:
    spool = Spool.for_dsn(tmp_path, "https://s3cret@sentry.example.com/1")
    spool.create()
    assert spool.path.joinpath("project").read_text() == "https://sentry.example.com/1"
    assert "s3cret" not in str(spool.path)


def test_spool_depends_on_host_and_project_but_not_on_the_key(tmp_path: Path) -> None:
    dsns = ["https://a@s.io/1", "https://b@s.io/1", "https://a@s.io/2", "https://a@t.io/1", "https://a@s.io/below/1"]
    names = [Spool.for_dsn(tmp_path, dsn).path for dsn in dsns]
    assert names[0] == names[1]
    assert len(set(names)) == 4


def test_events_are_sorted_by_age(spool: Spool, directory: ProcessDirectory) -> None:
    other = ProcessDirectory.create(spool)
    for number, each in enumerate([directory, other, directory]):
        each.write(b"%d" % number, "error")
    read = []
    for event in spool.events():
        with spool.claim(event) as claimed:
            assert claimed is not None
            read.append(claimed.read())
    assert read == [b"0", b"1", b"2"]


def test_event_can_be_claimed_once_at_a_time_until_it_is_removed(spool: Spool, directory: ProcessDirectory) -> None:
    directory.write(b"event", "error")
    (event,) = spool.events()
    with spool.claim(event) as first:
        with spool.claim(event) as second:
            assert second is None
        assert first is not None
        first.remove()
    with spool.claim(event) as third:
        assert third is None


def test_symbolic_link_is_not_an_event(spool: Spool, directory: ProcessDirectory, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("of somebody else")
    name = f"{1:019}-0-error.envelope"
    (spool.path / directory.name / name).symlink_to(tmp_path / "target")
    (spool.path / "1-01234567").symlink_to(tmp_path)
    assert spool.events() == []
    assert spool.directories() == [directory.name]


def test_spool_may_not_be_a_symbolic_link(spool: Spool, tmp_path: Path) -> None:
    spool.root.mkdir()
    (tmp_path / "elsewhere").mkdir()
    spool.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        ProcessDirectory.create(spool)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_directory_of_a_running_process_is_not_adopted(spool: Spool, directory: ProcessDirectory) -> None:
    with spool.adopt(directory.name) as is_dead:
        assert not is_dead
    assert spool.directories() == [directory.name]


def test_empty_directory_of_a_dead_process_is_removed(spool: Spool, directory: ProcessDirectory) -> None:
    directory.write(b"event", "error")
    directory.close()
    with spool.adopt(directory.name) as is_dead:
        assert is_dead
    assert spool.directories() == [directory.name]
    with spool.adopt(directory.name), spool.claim(spool.events()[0]) as claimed:
        assert claimed is not None
        claimed.remove()
    assert spool.directories() == []


def test_only_one_process_at_a_time_can_claim_the_replay(spool: Spool) -> None:
    spool.create()
    with spool.claim_replay() as first, spool.claim_replay() as second:
        assert (first, second) == (True, False)
    with spool.claim_replay() as third:
        assert third


def test_spools_of_other_projects_are_found(spool: Spool) -> None:
    spool.create()
    other = Spool.for_dsn(spool.root, "https://key@sentry.example.com/7")
    other.create()
    assert [(each.path, each.project) for each in find_other_spools(spool)] == [
        (other.path, "https://sentry.example.com/7")
    ]


def test_reading_does_not_create_files(spool: Spool) -> None:
    assert (spool.events(), spool.is_empty(), spool.directories()) == ([], True, [])
    with spool.claim_replay() as is_replaying:
        assert not is_replaying
    assert not spool.root.exists()


def test_unreadable_project_is_shown_by_its_directory(spool: Spool) -> None:
    spool.create()
    other = Spool.for_dsn(spool.root, "https://key@sentry.example.com/7")
    other.create()
    for content in (None, ""):
        project = other.path / "project"
        project.unlink() if content is None else project.write_text(content)
        assert [each.project for each in find_other_spools(spool)] == [other.path.name]
