"""Follow a log: each line is returned once, also if files are rotated, truncated or deleted."""

import gzip
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.scenarios import ENDLESS, job_in, jobs_of
from benchmarks.writer import Counts
from benchmarks.writers import Writer, wait_until
from observability.log_analysis import tail as module
from observability.log_analysis.lines import parse_line
from observability.log_analysis.snapshot import open_logs
from observability.log_analysis.tail import LogTail, follow_logs, read_last_records


@contextmanager
def following(path: Path) -> Iterator[LogTail]:
    with open_logs([path]) as (logs, _):
        tail = LogTail(logs[0])
        try:
            yield tail
        finally:
            tail.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "service.jsonl"
    path.write_text("old\n")
    return path


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def rotate(path: Path) -> None:
    """Rotate as the handler does: each file gets the next number."""
    numbers = [int(each.suffix[1:]) for each in path.parent.glob(f"{path.name}.[0-9]*")]
    for number in sorted(numbers, reverse=True):
        path.with_name(f"{path.name}.{number}").rename(path.with_name(f"{path.name}.{number + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))


def seen(tail: LogTail) -> list[str]:
    return [line.decode() for line in tail.read_new_lines()]


def test_added_lines_are_returned_once(path: Path) -> None:
    with following(path) as tail:
        add(path, "one\ntwo\n")
        assert seen(tail) == ["one", "two"]
        assert seen(tail) == []


def test_line_is_returned_when_it_is_complete(path: Path) -> None:
    with following(path) as tail:
        add(path, "on")
        assert seen(tail) == []
        add(path, "e\n")
        assert seen(tail) == ["one"]


def test_line_that_was_incomplete_at_the_start_is_returned_completely(path: Path) -> None:
    add(path, '{"half')
    with following(path) as tail:
        add(path, '": 1}\n')
        assert seen(tail) == ['{"half": 1}']


def test_several_rotations_between_two_polls_lose_no_line(path: Path) -> None:
    with following(path) as tail:
        for number in range(4):
            add(path, f"{number}\n")
            rotate(path)
        add(path, "last\n")
        assert seen(tail) == ["0", "1", "2", "3", "last"]


def test_line_added_to_a_renamed_file_is_returned(path: Path) -> None:
    with following(path) as tail:
        rotate(path)
        add(path, "new\n")
        assert seen(tail) == ["new"]
        add(path.with_name("service.jsonl.1"), "late\n")
        assert seen(tail) == ["late"]


def test_truncated_file_is_read_from_its_beginning(path: Path) -> None:
    with following(path) as tail:
        path.write_text("longer\n")
        assert seen(tail) == ["longer"]
        path.write_text("")
        assert seen(tail) == []
        add(path, "two\n")
        assert seen(tail) == ["two"]


def test_lines_before_and_after_copytruncate_are_returned_once(path: Path) -> None:
    """With `copytruncate`, logrotate copies the file and then truncates it."""
    with following(path) as tail:
        add(path, "one\n")
        assert seen(tail) == ["one"]
        add(path, "two\n")
        shutil.copy(path, path.with_name("service.jsonl.1"))
        path.write_text("")
        add(path, "three\n")
        assert seen(tail) == ["two", "three"]


def test_recreated_file_is_followed(path: Path) -> None:
    with following(path) as tail:
        add(path, "one\n")
        path.unlink()
        add(path, "two\n")
        assert seen(tail) == ["one", "two"]


def test_log_that_is_created_later_is_followed_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "service.jsonl"
    with following(path) as tail:
        assert seen(tail) == []
        add(path, "one\n")
        assert seen(tail) == ["one"]


def test_files_are_closed_at_the_end_and_when_they_are_deleted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_S", -1)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers
    with following(path) as tail:
        for _ in range(5):
            rotate(path)
            add(path, "one\n")
            path.with_name("service.jsonl.1").unlink()
            seen(tail)
        seen(tail)
        # The current file is open twice: `open_logs` has opened it too.
        assert len(os.listdir("/proc/self/fd")) <= before + 3  # noqa: PTH208
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_file_with_the_inode_of_a_deleted_file_is_followed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many file systems reuse the inode for the next new file."""
    monkeypatch.setattr(module, "GRACE_S", -1)
    expected = [str(number) for number in range(60)]
    found: list[str] = []
    with open_logs([path]) as (logs, _):
        tail = LogTail(logs[0])
    for number in expected:
        rotate(path)
        path.with_name("service.jsonl.3").unlink(missing_ok=True)
        add(path, f"{number}\n")
        found += seen(tail)
    tail.close()
    assert found == expected


def test_lines_of_compressed_files_are_not_returned(path: Path) -> None:
    with following(path) as tail:
        add(path, "one\n")
        rotate(path)
        older = path.with_name("service.jsonl.1")
        assert seen(tail) == ["one"]
        older.with_name("service.jsonl.1.gz").write_bytes(gzip.compress(older.read_bytes()))
        older.unlink()
        add(path, "two\n")
        assert seen(tail) == ["two"]


def test_lines_of_an_old_file_that_was_left_out_are_not_returned(path: Path) -> None:
    os.utime(path, (1_000, 1_000))
    with open_logs([path], modified_since=2_000) as (logs, _):
        tail = LogTail(logs[0])
        rotate(path)
        add(path, "new\n")
        assert seen(tail) == ["new"]
        tail.close()


def test_lines_of_files_created_after_opening_are_returned(path: Path) -> None:
    """Printing the existing lines may take minutes before following begins."""
    with open_logs([path]) as (logs, _):
        for number in range(3):
            add(path, f"{number}\n")
            rotate(path)
        tail = LogTail(logs[0])
        assert seen(tail) == ["0", "1", "2"]
        tail.close()


def test_incomplete_line_is_returned_after_its_file_was_renamed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_S", -1)
    with following(path) as tail:
        add(path, "half")
        assert seen(tail) == []
        rotate(path)
        assert seen(tail) == ["half"]
        assert seen(tail) == []


def test_records_with_the_same_time_stay_in_order(path: Path) -> None:
    add(path, "".join(f'{{"timestamp":"1","number":{number}}}\n' for number in range(9)))
    with open_logs([path]) as (logs, _):
        found = read_last_records(logs, lambda lines: [record for line in lines if (record := parse_line(line))], 3)
    assert [record["number"] for record in found] == [6, 7, 8]


@pytest.mark.parametrize("writers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_each_record_of_processes_that_rotate_and_are_killed_is_returned_once(tmp_path: Path, writers: int) -> None:
    job = job_in(tmp_path, max_bytes=20_000)
    path = Path(job.path)
    found: list[dict[str, int]] = []
    with following(path) as tail:
        for number in range(writers):
            with Writer(jobs_of(job, writers)[number]) as writer:
                writer.wait_until_ready()
                writer.begin(ENDLESS)
                counts = Counts(job.counts)
                wait_until(lambda: counts[number, 0], 500, "records")  # noqa: B023 - waited for here
                found += [json.loads(line) for line in tail.read_new_lines()]
        for line in tail.read_new_lines():
            # After a killed process, a line may be a fragment with the next record directly after it.
            record = json.loads(line) if line.startswith(b"{") and line.count(b'"number"') == 1 else parse_line(line)
            found += [record] if record else []
    for number in range(writers):
        numbers = [record["number"] for record in found if record["writer"] == number]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= 500


def test_following_ends_at_until(path: Path) -> None:
    with open_logs([path]) as (logs, _):
        until = datetime.now(UTC) + timedelta(seconds=0.3)
        looks = [*follow_logs(logs, until)]
    assert looks
    assert datetime.now(UTC) >= until


def test_last_poll_is_not_before_until(path: Path) -> None:
    with open_logs([path]) as (logs, _):
        found: list[bytes] = []
        for number, lines in enumerate(follow_logs(logs, datetime.now(UTC) + timedelta(seconds=0.5))):
            found += lines
            if number == 0:
                add(path, "one\n")
            time.sleep(0.01)
    assert found == [b"one"]


def test_last_records_of_several_logs_are_ordered_by_time(tmp_path: Path) -> None:
    for number in range(6):
        line = json.dumps({"timestamp": f"2026-01-05T08:30:0{number}Z", "number": number})
        add(tmp_path / f"{'ab'[number % 2]}.jsonl", f"{line}\n")
    with open_logs([tmp_path / "a.jsonl", tmp_path / "b.jsonl"]) as (logs, _):
        wanted = read_last_records(logs, lambda lines: [record for line in lines if (record := parse_line(line))], 3)
    assert [record["number"] for record in wanted] == [3, 4, 5]


def test_selected_record_may_be_far_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "service.jsonl"
    add(path.with_name("service.jsonl.1"), '{"timestamp":"1","wanted":1}\n' + '{"timestamp":"2"}\n' * 5_000)
    add(path, '{"timestamp":"3"}\n' * 5_000)
    with open_logs([path]) as (logs, _):
        found = read_last_records(
            logs, lambda lines: [each for line in lines if (each := parse_line(line)) and "wanted" in each], 5
        )
    assert found == [{"timestamp": "1", "wanted": 1}]
