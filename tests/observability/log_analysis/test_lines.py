"""Lines of a log file, also of killed processes, full disks and other programs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.log_analysis import lines as module
from observability.log_analysis.lines import (
    find_lines,
    parse_line,
    read_blocks,
    read_lines,
    read_lines_backwards,
    recover_record,
    to_json,
)
from observability.log_analysis.log_files import LogFile
from observability.log_analysis.snapshot import open_logs
from tests.observability.log_analysis.records import COMPRESSIONS

LINE = b'{"timestamp":"2026-01-05T08:30:00Z","event":"one"}'
FRAGMENT = LINE[:30]


@contextmanager
def log_file_of(content: bytes, directory: Path, ending: str = "") -> Iterator[LogFile]:
    path = directory / "service.jsonl"
    path.with_name(f"service.jsonl{ending}").write_bytes(content)
    with open_logs([path]) as (logs, problems):
        assert problems == []
        yield logs[0].files[0]


@pytest.mark.parametrize(
    "line",
    [LINE, FRAGMENT + LINE, b"{}" + LINE, b"\0" * 4096 + LINE, b"\xef\xbb\xbf" + LINE, LINE + b"\r", LINE + b" "],
    ids=["whole", "fragment", "blank", "NULs", "BOM", "CR", "space"],
)
def test_record_is_found_in_its_line(line: bytes) -> None:
    assert parse_line(line) == json.loads(LINE)


@pytest.mark.parametrize(
    "line", [FRAGMENT, LINE + FRAGMENT, b"null", b"[1]", b"{}", b'{"event":"no time"}', b"text", b"\xff\xfe", b'"a"']
)
def test_line_without_a_record_is_none(line: bytes) -> None:
    assert parse_line(line) is None


def test_half_a_surrogate_leaves_its_record_readable() -> None:
    line = LINE.replace(b"one", b"\\ud800")
    assert parse_line(line) == {"timestamp": "2026-01-05T08:30:00Z", "event": "\ud800"}
    assert json.loads(to_json(parse_line(line) or {}))["event"] == "?"


def test_only_lines_that_a_strict_parser_rejects_are_recovered() -> None:
    assert recover_record(LINE) is None
    assert recover_record(FRAGMENT + LINE) == json.loads(LINE)


def test_record_after_a_fragment_may_contain_objects_like_records() -> None:
    record = b'{"timestamp":1,"items":[{"timestamp":2},{"timestamp":3}]}'
    assert parse_line(FRAGMENT + FRAGMENT + record) == json.loads(record)


class CountingDecoder:
    """A JSON decoder that counts the characters that it reads."""

    def __init__(self) -> None:
        self.decoder = json.JSONDecoder()
        self.read_count = 0

    def raw_decode(self, text: str, start: int) -> tuple[Any, int]:
        try:
            value, end = self.decoder.raw_decode(text, start)
        except ValueError as error:
            self.read_count += getattr(error, "pos", len(text)) - start
            raise
        self.read_count += end - start
        return value, end


@pytest.mark.parametrize("content", [b"[%b]", b"[%b]x"], ids=["list", "list and a letter"])
def test_list_of_records_on_one_line_is_read_once_and_each_of_them_once_more(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If each record caused the rest of the line to be read again, a large list would take minutes."""
    monkeypatch.setattr(module, "_decoder", decoder := CountingDecoder())
    line = content % b",".join([LINE] * 1_000)
    assert parse_line(line) is None
    assert len(line) <= decoder.read_count <= 2 * len(line)


def test_invalid_utf_8_is_replaced() -> None:
    assert parse_line(LINE.replace(b"one", b"\xff")) == json.loads(LINE) | {"event": "\ufffd"}


def test_fragment_and_the_next_line_are_one_line(tmp_path: Path) -> None:
    with log_file_of(FRAGMENT + LINE + b"\n" + FRAGMENT, tmp_path) as log_file:
        assert [parse_line(line) for line in read_lines(log_file)] == [json.loads(LINE), None]


def test_lines_stay_valid_while_more_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines are copies, not views of the read buffer."""
    monkeypatch.setattr(module, "BLOCK_BYTES", 16)
    content = [b"needle %03d" % number for number in range(100)]
    with log_file_of(b"\n".join(content), tmp_path) as log_file:
        assert list(read_lines(log_file)) == list(find_lines(log_file, b"needle")) == content


def test_time_may_have_another_key() -> None:
    line = b'{"ts":1,"a":2}'
    assert parse_line(line) is None
    assert parse_line(b'{"ts"' + line, "ts") == {"ts": 1, "a": 2}


@given(st.lists(st.binary(max_size=12) | st.sampled_from([b"a\n", b"\n\n", b"needle", b"ab" * 20])), st.integers(1, 9))
def test_all_ways_to_read_lines_agree(pieces: list[bytes], block_bytes: int) -> None:
    content = b"".join(pieces)
    expected = [line for line in content.split(b"\n") if line]
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as directory:
        patch.setattr(module, "BLOCK_BYTES", block_bytes)
        with log_file_of(content, Path(directory)) as log_file:
            assert b"".join(bytes(block) for block in read_blocks(log_file)) == content
            assert [bytes(line) for line in read_lines(log_file)] == expected
            assert list(read_lines_backwards(log_file)) == expected[::-1]
            assert list(find_lines(log_file, b"needle")) == [line for line in expected if b"needle" in line]


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_compressed_file_is_read_like_a_plain_one(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 4_096)
    content = b"".join(b"%d\n" % number for number in range(20_000))
    with log_file_of(COMPRESSIONS[ending](content), tmp_path, f".1.{ending}") as log_file:
        assert b"\n".join(read_lines(log_file)) == content.rstrip()
        assert next(read_lines_backwards(log_file)) == b"19999"
        assert list(find_lines(log_file, b"12345")) == [b"12345"]


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_truncated_compressed_file_is_read_up_to_its_end(tmp_path: Path, ending: str) -> None:
    content = b"".join(b"%d\n" % (number * 7_919 % 1_000_003) for number in range(100_000))
    packed = COMPRESSIONS[ending](content)
    with log_file_of(packed[: len(packed) * 9 // 10], tmp_path, f".1.{ending}") as log_file:
        found = b"".join(bytes(block) for block in read_blocks(log_file))
    assert content.startswith(found)
    # Some compressions unpack only whole blocks, so the last block is missing.
    assert len(content) // 2 < len(found) < len(content)


def test_file_with_a_wrong_suffix_has_no_lines(tmp_path: Path) -> None:
    with log_file_of(LINE, tmp_path, ".1.gz") as log_file:
        assert list(read_lines(log_file)) == []


def test_lines_added_during_reading_are_not_read(tmp_path: Path) -> None:
    with log_file_of(b"one\n", tmp_path) as log_file:
        with (tmp_path / "service.jsonl").open("ab") as file:
            file.write(b"two\n")
        assert [bytes(line) for line in read_lines(log_file)] == [b"one"]
        assert list(read_lines_backwards(log_file)) == [b"one"]


def test_lines_added_after_several_blocks_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 4)
    with log_file_of(b"one\ntwo\n", tmp_path) as log_file:
        with (tmp_path / "service.jsonl").open("ab") as file:
            file.write(b"six\nten\n")
        assert [bytes(line) for line in read_lines(log_file)] == [b"one", b"two"]


def test_reading_ends_if_the_file_is_truncated_meanwhile(tmp_path: Path) -> None:
    with log_file_of(b"one\n" * 1000, tmp_path) as log_file:
        (tmp_path / "service.jsonl").write_bytes(b"")
        assert list(read_lines(log_file)) == []
        assert list(read_lines_backwards(log_file)) == []


def test_line_that_lost_its_beginning_is_not_read_backwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 8)
    with log_file_of(b"xxxxxxxxxx\nlast\n", tmp_path) as log_file:
        found = read_lines_backwards(log_file)
        assert next(found) == b"last"
        (tmp_path / "service.jsonl").write_bytes(b"")
        assert list(found) == []


def test_line_may_be_longer_than_a_block(tmp_path: Path) -> None:
    long = b"x" * (3 << 20)
    with log_file_of(b"one\n" + long + b"\ntwo", tmp_path) as log_file:
        assert [len(line) for line in read_lines(log_file)] == [3, len(long), 3]
        assert [len(line) for line in read_lines_backwards(log_file)] == [3, len(long), 3]
