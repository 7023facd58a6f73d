"""`manage.py query_budgets diff FILE_OR_REVISION`: the changes of the budget file, as Markdown for a pull request."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from observability.budgets.budget_file import (
    Budget,
    BudgetFileError,
    Budgets,
    budget_path,
    load_budgets,
    parse_budgets,
)


class Command(BaseCommand):
    """Compare the budget file with an older one."""

    help = "Print the changes of the budget file as Markdown: routes with worse, better, new or removed budgets."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's form

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
        diff = commands.add_parser(
            "diff", help="compare the budget file with another file, or with the budget file of a git revision"
        )
        diff.add_argument("old", metavar="FILE_OR_REVISION", help="the older budgets, such as old.json, main or HEAD~1")

    def handle(self, *_: object, old: str, **__: object) -> None:
        path = budget_path()
        try:
            old_budgets = load_budgets(Path(old)) if Path(old).is_file() else _load_revision(old, path)
            self.stdout.write(render_changes(old_budgets, load_budgets(path)), ending="")
        except BudgetFileError as error:
            raise CommandError(str(error)) from None


def _load_revision(revision: str, path: Path) -> Budgets:
    """Return the budgets of the file in a git revision; an empty dict if the revision does not have the file."""
    # git would parse a text that starts with a dash as an option.
    if revision.startswith("-") or _git(path, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") is None:
        raise CommandError(
            f"{revision!r} is neither a file nor a revision in the git repository of {path.parent}. Examples: "
            "old.json, main, HEAD~1."
        )
    name = f"{revision}:./{path.name}"
    text = _git(path, "show", name)
    return {} if text is None else parse_budgets(text, name)


def _git(path: Path, *arguments: str) -> str | None:
    """Run git in the directory of the file, and return its output; None if it fails or is not installed."""
    command = ["git", *arguments]
    try:
        completed = subprocess.run(command, cwd=path.parent, capture_output=True, check=True)  # noqa: S603 - no shell, and the caller checks that a revision is not an option
    except (OSError, subprocess.CalledProcessError):
        return None
    return completed.stdout.decode(errors="replace")


def render_changes(old: Budgets, new: Budgets) -> str:
    """Return Markdown with a section per kind of change: worse, better, new, removed, and other changes."""
    both = sorted(old.keys() & new.keys())
    worse = [key for key in both if _weight(new[key]) > _weight(old[key])]
    better = [key for key in both if _weight(new[key]) < _weight(old[key])]
    other = [key for key in both if key not in {*worse, *better} and old[key] != new[key]]
    sections = [
        _render_section("Worse", worse, old, new),
        _render_section("Better", better, old, new),
        _render_section("New", sorted(new.keys() - old.keys()), old, new),
        _render_section("Removed", sorted(old.keys() - new.keys()), old, new),
        _render_section("Other changes", other, old, new),
    ]
    text = "\n".join(filter(None, sections))
    return f"## Query budgets\n\n{text.rstrip() or 'Nothing changed.'}\n"


def _weight(budget: Budget) -> tuple[float, bool]:
    """Return a sort key: a waived budget is the largest; of equal budgets, one that is not constant is larger."""
    return (float("inf") if budget.maximum is None else budget.maximum, not budget.scale)


def _render_section(title: str, keys: Iterable[str], old: Budgets, new: Budgets) -> str:
    lines = [line for key in keys for line in _render_route(key, old.get(key), new.get(key))]
    return "\n".join([f"### {title}", "", *lines, ""]) if lines else ""


def _render_route(key: str, old: Budget | None, new: Budget | None) -> list[str]:
    sides = " → ".join(dict.fromkeys(_describe(budget) for budget in (old, new) if budget is not None))
    reason = f": {new.reason.replace('<', '&lt;')}" if new is not None and new.reason else ""
    return [f"- `{key}` {sides}{reason}", *_render_statements(old, new)]


def _describe(budget: Budget) -> str:
    maximum = "waived" if budget.maximum is None else str(budget.maximum)
    return maximum if budget.scale or budget.maximum is None else f"{maximum} (not constant)"


def _render_statements(old: Budget | None, new: Budget | None) -> list[str]:
    """Return the statements that differ, as a diff."""
    before, after = (set(budget.statements) if budget is not None else set() for budget in (old, new))
    if old is None or new is None or before == after:
        return []
    lines = [f"  - {line}" for line in sorted(before - after)] + [f"  + {line}" for line in sorted(after - before)]
    return ["", "  ```diff", *(f"  {line.strip()}" for line in lines), "  ```"]
