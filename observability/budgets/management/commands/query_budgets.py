"""`manage.py query_budgets diff <file or revision>`: what changed in the budget file, as Markdown."""

import subprocess
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from observability.budgets.budget_file import BudgetFileError, Budgets, load, parse
from observability.budgets.difference import as_markdown
from observability.budgets.location import budget_path


class Command(BaseCommand):
    """Compares the budget file with an older one."""

    help = "Print what changed in the budget file, as Markdown: routes that got worse, better, new, gone."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's form

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True)
        diff = commands.add_parser("diff", help="compare with an older file, or with the file of a git revision")
        diff.add_argument("old", metavar="FILE_OR_REVISION", help="such as old.json, main, or HEAD~1")

    def handle(self, *_: Any, old: str, **__: Any) -> None:  # noqa: ANN401 - Django's signature
        path = budget_path()
        try:
            older = load(Path(old)) if Path(old).is_file() else _of_revision(old, path)
            self.stdout.write(as_markdown(older, load(path)), ending="")
        except BudgetFileError as error:
            raise CommandError(str(error)) from None


def _of_revision(revision: str, path: Path) -> Budgets:
    """The file as a git revision has it; none where the revision has no such file."""
    # What begins with a dash would be an option of git.
    if revision.startswith("-") or _git(path, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") is None:
        raise CommandError(f"{revision} is neither a file nor a revision that git knows here.")
    name = f"{revision}:./{path.name}"
    text = _git(path, "show", name)
    return {} if text is None else parse(text, name)


def _git(path: Path, *arguments: str) -> str | None:
    """What git prints in the directory of the file, or None where it fails or is not there."""
    command = ["git", *arguments]
    try:
        ran = subprocess.run(command, cwd=path.parent, capture_output=True, check=True)  # noqa: S603 - a revision, no option
    except (OSError, subprocess.CalledProcessError):
        return None
    return ran.stdout.decode(errors="replace")
