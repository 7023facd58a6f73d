"""The git revision, read without git."""

import subprocess
from pathlib import Path

import pytest

from settings.revision import git_revision

IDENTITY = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]


def git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *IDENTITY, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    directory = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(directory)], check=True)
    git(directory, "commit", "-q", "--allow-empty", "-m", "first")
    return directory


def test_revision_is_the_hash_of_head(repository: Path) -> None:
    assert git_revision(repository) == git(repository, "rev-parse", "HEAD")


def test_revision_is_found_with_detached_head_packed_refs_and_a_worktree(repository: Path, tmp_path: Path) -> None:
    expected = git(repository, "rev-parse", "HEAD")
    git(repository, "pack-refs", "--all")
    packed = git_revision(repository)
    git(repository, "worktree", "add", "-q", str(tmp_path / "other"), "-b", "other")
    other = git_revision(tmp_path / "other")
    git(repository, "checkout", "-q", "--detach")
    assert [packed, other, git_revision(repository)] == [expected] * 3


def test_directory_without_a_valid_checkout_has_no_revision(tmp_path: Path) -> None:
    assert git_revision(tmp_path) == ""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert git_revision(tmp_path) == ""
    (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\xfe")
    assert git_revision(tmp_path) == ""
    (tmp_path / ".git" / "HEAD").write_text("no revision\n")
    assert git_revision(tmp_path) == ""
