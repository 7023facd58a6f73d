"""Read the git revision of the running code from `.git`, because most servers do not have git."""

import re
from pathlib import Path

_revision = re.compile(r"[0-9a-f]{40,64}")


def git_revision(directory: Path) -> str:
    """Return the full hash of HEAD, or an empty string if the directory is not a checkout."""
    try:
        return _read(directory / ".git")
    except (OSError, UnicodeDecodeError):
        return ""


def _read(git: Path) -> str:
    if git.is_file():
        # In a worktree or a submodule `.git` is a file with the path of the git directory.
        git = git.parent / git.read_text().removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return head if _revision.fullmatch(head) else ""
    name = head.removeprefix("ref: ")
    common = git / "commondir"
    for directory in (git, git / common.read_text().strip() if common.is_file() else git):
        if (directory / name).is_file():
            return (directory / name).read_text().strip()
        packed = directory / "packed-refs"
        lines = packed.read_text().splitlines() if packed.is_file() else []
        found = [line.partition(" ")[0] for line in lines if line.endswith(f" {name}")]
        if found:
            return found[0]
    return ""
