"""The budget file: how many queries each route may run, by `METHOD route`. Tests record it, people review its diff.

    "GET /api/v1/books/": {
      "max": 2,
      "reason": "why it is raised or waived",
      "scale": "constant",
      "statements": ["1x SELECT … FROM shop_book WHERE …", "1x SELECT COUNT(*) FROM shop_book"]
    }

`max` counts the application's queries (`query_collector.py`); null waives the budget and needs a reason. `scale` says
that a test verified the same count for any number of rows. `statements` are those of the request that ran most queries.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from observability.conf import configuration
from observability.files import write_atomically

DEFAULT_NAME = "query_budgets.json"
Scale = Literal["", "constant"]
CONSTANT: Scale = "constant"
KEYS = {"max", "reason", "scale", "statements"}
# Everybody who has the repository may read the file.
NEW_FILE_MODE = 0o644


class BudgetFileError(Exception):
    """The file cannot be used. The message names the file, the place in it, and what is allowed."""


class BudgetEntry(TypedDict):
    """The budget of one route, as the file contains it."""

    max: int | None
    reason: NotRequired[str]
    scale: NotRequired[Scale]
    statements: NotRequired[list[str]]


@dataclass(frozen=True, slots=True)
class Budget:
    """How many queries one route may run; `maximum` is None if the budget is waived."""

    maximum: int | None
    scale: Scale = ""
    statements: tuple[str, ...] = ()
    reason: str = ""

    @property
    def statement_counts(self) -> dict[str, int]:
        """How often each statement ran when it was recorded."""
        pairs = (line.partition("x ") for line in self.statements)
        return {statement: int(number) for number, _, statement in pairs}

    def to_dict(self) -> BudgetEntry:
        entry: BudgetEntry = {"max": self.maximum}
        if self.reason:
            entry["reason"] = self.reason
        if self.scale:
            entry["scale"] = self.scale
        entry["statements"] = list(self.statements)
        return entry


Budgets = dict[str, Budget]


def budget_path(root: Path | None = None) -> Path:
    """Return OBSERVABILITY["BUDGET_FILE"], or `query_budgets.json`, relative to CODE_ROOT or else to `root`."""
    base = configuration().code_root or root or Path.cwd()
    return Path(base) / (configuration().budget_file or DEFAULT_NAME)


def load_budgets(path: Path) -> Budgets:
    """Return the budgets of a file; none if it does not exist. Raises `BudgetFileError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BudgetFileError(f"{path} cannot be read: {error}.") from error
    return parse_budgets(text, str(path))


def save_budgets(path: Path, budgets: Budgets) -> bool:
    """Write the file; return whether its content changed. Raises `BudgetFileError`; the old file is unchanged then."""
    text = render_budgets(budgets)
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o7777 if path.exists() else NEW_FILE_MODE
        write_atomically(path, text.encode(), mode=mode, prepare=lambda descriptor: _set_mode(descriptor, mode))
    except OSError as error:
        raise BudgetFileError(f"{path} cannot be written: {error}.") from error
    return True


def render_budgets(budgets: Budgets) -> str:
    """Return the text of a file: sorted, and the same for the same budgets."""
    entries = {route: budgets[route].to_dict() for route in sorted(budgets)}
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def format_statements(statement_counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return `1x SELECT …` for each statement, sorted by the statement."""
    return tuple(f"{number}x {statement}" for statement, number in sorted(statement_counts.items()))


def parse_budgets(text: str, name: str) -> Budgets:
    """Return the budgets of a text; errors call the text `name`. Raises `BudgetFileError`."""
    if not text.strip():
        raise BudgetFileError(f"{name} is empty: restore it from git, or delete it and record the budgets.")
    try:
        document = json.loads(text, object_pairs_hook=_refuse_repeated_keys)
    except json.JSONDecodeError as error:
        hint = " (a merge conflict?)" if "<<<<<<<" in text else ""
        raise BudgetFileError(f"{name}:{error.lineno}: not JSON: {error.msg}{hint}.") from error
    except _RepeatedKeyError as error:
        raise BudgetFileError(f"{name} contains {error} twice: keep one of them.") from error
    except (ValueError, RecursionError) as error:
        # A number with thousands of digits, or thousands of nested lists.
        raise BudgetFileError(f"{name} cannot be read: {error}.") from error
    if not isinstance(document, dict):
        raise BudgetFileError(f"{name}: not an object with an entry for each `METHOD route`.")
    return {route: _parse_entry(entry, f"{name}: {route}") for route, entry in document.items()}


class _RepeatedKeyError(Exception):
    pass


def _refuse_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    for key, number in Counter(key for key, _ in pairs).items():
        if number > 1:
            raise _RepeatedKeyError(repr(key))
    return dict(pairs)


def _parse_entry(entry: object, place: str) -> Budget:
    if not isinstance(entry, dict):
        raise BudgetFileError(f'{place} is {entry!r}; an entry is an object, for example {{"max": 3}}.')
    if unknown := set(entry) - KEYS:
        raise BudgetFileError(f"{place}: unknown key {min(unknown)!r}. Allowed: {', '.join(sorted(KEYS))}.")
    if "max" not in entry:
        raise BudgetFileError(f"{place} has no max; it is a whole number from 0, or null with a reason.")
    maximum, reason = entry["max"], entry.get("reason", "")
    if maximum is not None and (not isinstance(maximum, int) or isinstance(maximum, bool) or maximum < 0):
        raise BudgetFileError(f"{place}: max is {maximum!r}; it is a whole number from 0, or null with a reason.")
    if not isinstance(reason, str) or (maximum is None and not reason.strip()):
        raise BudgetFileError(f"{place}: a waived budget (max: null) needs a text in `reason`.")
    if entry.get("scale", CONSTANT) != CONSTANT:
        raise BudgetFileError(f"{place}: scale is {entry['scale']!r}; it is {CONSTANT!r} or absent.")
    statements = entry.get("statements", [])
    if not isinstance(statements, list) or not all(map(_is_statement, statements)):
        raise BudgetFileError(f'{place}: statements is a list of texts, each with how often it ran: "1x COMMIT".')
    return Budget(maximum, entry.get("scale", ""), tuple(statements), reason)


def _is_statement(line: object) -> bool:
    return isinstance(line, str) and line.partition("x ")[0].isdecimal()


def _set_mode(descriptor: int, mode: int) -> None:
    """Set the mode of an open file; the umask does not apply."""
    if sys.platform != "win32":
        os.fchmod(descriptor, mode)
