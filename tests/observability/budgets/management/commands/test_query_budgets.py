"""`manage.py query_budgets diff`: the changes between two budget files."""

import json
import subprocess
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from observability.budgets.budget_file import Budget
from observability.budgets.management.commands.query_budgets import render_changes

OLD = {
    "GET /better/": Budget(3, "constant", ("3x SELECT … FROM a",)),
    "GET /removed/": Budget(1, "constant"),
    "GET /same/": Budget(1, "constant"),
    "GET /worse/": Budget(2, "constant", ("1x SELECT … FROM a", "1x SELECT … FROM b")),
}
NEW = {
    "GET /better/": Budget(1, "constant", ("1x SELECT … FROM a",)),
    "GET /new/": Budget(1),
    "GET /same/": Budget(1, "constant"),
    "GET /worse/": Budget(11, "", ("10x SELECT … FROM b", "1x SELECT … FROM a"), "it has <to>"),
}
MARKDOWN = """\
## Query budgets

### Worse

- `GET /worse/` 2 → 11 (not constant): it has &lt;to>

  ```diff
  - 1x SELECT … FROM b
  + 10x SELECT … FROM b
  ```

### Better

- `GET /better/` 3 → 1

  ```diff
  - 3x SELECT … FROM a
  + 1x SELECT … FROM a
  ```

### New

- `GET /new/` 1 (not constant)

### Removed

- `GET /removed/` 1
"""


def test_changes_are_grouped_by_kind() -> None:
    assert render_changes(OLD, NEW) == MARKDOWN


def test_equal_files_have_no_changes() -> None:
    assert render_changes(OLD, OLD) == "## Query budgets\n\nNothing changed.\n"


@pytest.fixture
def repository(tmp_path: Path, settings: Settings) -> Path:
    """Return a git repository; the budget in its last commit differs from the one in its file."""
    file = tmp_path / "budgets.json"
    file.write_text(json.dumps({"GET /a/": {"max": 1, "scale": "constant"}}))
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    file.write_text(json.dumps({"GET /a/": {"max": 2, "scale": "constant"}}))
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"BUDGET_FILE": str(file)}
    return tmp_path


def test_diff_with_a_git_revision(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("query_budgets", "diff", "HEAD")
    assert "- `GET /a/` 1 → 2" in capsys.readouterr().out


def test_diff_with_another_file(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "old.json").write_text("{}")
    call_command("query_budgets", "diff", str(repository / "old.json"))
    assert "### New\n\n- `GET /a/` 2" in capsys.readouterr().out


@pytest.mark.parametrize("revision", ["no-such", "--output=x"])
def test_unknown_file_or_revision_is_an_error(revision: str, repository: Path) -> None:
    with pytest.raises(CommandError, match=repr(revision)):
        call_command("query_budgets", "diff", "--", revision)
