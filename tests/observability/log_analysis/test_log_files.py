"""Find the log files in a directory, and the files of one log."""

from pathlib import Path

import pytest

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.log_files import find_logs


def put(path: Path) -> Path:
    path.touch()
    return path


def test_directory_has_a_log_for_each_current_or_rotated_file(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.jsonl.1", "b.log-20261126.gz", "c.txt", "d.jsonl.lock"):
        (tmp_path / name).write_text("")
    assert find_logs([tmp_path]) == [tmp_path / "a.jsonl", tmp_path / "b.log"]


def test_rotated_file_is_read_once_if_its_log_is_given(tmp_path: Path) -> None:
    """A shell expands `service.jsonl*` to both."""
    named = [put(tmp_path / name) for name in ("service.jsonl", "service.jsonl.1", "service.jsonl.2.gz")]
    assert find_logs(named) == named[:1]


def test_rotated_file_without_its_log_counts_as_a_log(tmp_path: Path) -> None:
    path = put(tmp_path / "service.jsonl.1.gz")
    put(tmp_path / "service.jsonl")
    assert find_logs([path]) == [path]


def test_missing_path_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LogAnalysisError, match=r"nowhere\.jsonl does not exist\."):
        find_logs([tmp_path / "nowhere.jsonl"])


def test_log_that_is_given_twice_is_found_once(tmp_path: Path) -> None:
    put(tmp_path / "service.jsonl")
    assert len(find_logs([tmp_path, tmp_path / ".." / tmp_path.name, tmp_path / "service.jsonl"])) == 1
