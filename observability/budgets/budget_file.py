"""The budget file: the maximum number of queries of each `METHOD route`. Tests record it, people review its diff.

    "GET /api/v1/books/": {
      "max": 2,
      "reason": "why the budget was raised or waived",
      "scale": "constant",
      "statements": ["1x SELECT … FROM shop_book WHERE …", "1x SELECT COUNT(*) FROM shop_book"]
    }

`max` limits the application's queries (see `query_collector.py`). If it is null, the budget is waived, and a reason is
required. `scale` is "constant" if a test verified that the count is the same for any number of rows. `statements` are
the queries of the request that ran the most queries.
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
MAX_VALUES = "a whole number, 0 or more, or null with a reason"
# The file is committed, so every user may read it.
NEW_FILE_MODE = 0o644


class BudgetFileError(Exception):
    """The budget file cannot be used. The message has the file, the entry, and what is allowed."""


class BudgetEntry(TypedDict):
    """The budget of one route in the JSON of the file."""

    max: int | None
    reason: NotRequired[str]
    scale: NotRequired[Scale]
    statements: NotRequired[list[str]]


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget of one route. If it is waived, `maximum` is None."""

    maximum: int | None
    scale: Scale = ""
    statements: tuple[str, ...] = ()
    reason: str = ""

    @property
    def statement_counts(self) -> dict[str, int]:
        """How often each statement ran when the budget was recorded."""
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
    """Return the path of the budget file: OBSERVABILITY["BUDGET_FILE"], by default `query_budgets.json`.

    It is relative to OBSERVABILITY["CODE_ROOT"]; if that is empty, to `root` or to the current directory.
    """
    base = configuration().code_root or root or Path.cwd()
    return Path(base) / (configuration().budget_file or DEFAULT_NAME)


def load_budgets(path: Path) -> Budgets:
    """Return the budgets of a file; an empty dict if the file does not exist. Raises `BudgetFileError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BudgetFileError(f"{path} cannot be read: {error}.") from error
    return parse_budgets(text, str(path))


def save_budgets(path: Path, budgets: Budgets) -> bool:
    """Write the file; return whether its content changed. Raises `BudgetFileError`; then the old file is unchanged."""
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
    """Return the text of the file, sorted by route. Equal budgets give the same text."""
    entries = {route: budgets[route].to_dict() for route in sorted(budgets)}
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def format_statements(statement_counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return `1x SELECT …` for each statement, sorted by the statement."""
    return tuple(f"{number}x {statement}" for statement, number in sorted(statement_counts.items()))


def parse_budgets(text: str, name: str) -> Budgets:
    """Parse the text of a budget file; `name` is its name in error messages. Raises `BudgetFileError`."""
    if not text.strip():
        raise BudgetFileError(f"{name} is empty. Restore it from git, or delete it and record the budgets again.")
    try:
        document = json.loads(text, object_pairs_hook=_refuse_repeated_keys)
    except json.JSONDecodeError as error:
        hint = " The file has markers of a merge conflict." if "<<<<<<<" in text else ""
        raise BudgetFileError(f"{name}:{error.lineno} is not valid JSON: {error.msg}.{hint}") from error
    except _RepeatedKeyError as error:
        raise BudgetFileError(f"{name} contains {error} more than once. Keep one entry.") from error
    except (ValueError, RecursionError) as error:
        # For example a number with thousands of digits, or thousands of nested lists.
        raise BudgetFileError(f"{name} cannot be read: {error}.") from error
    if not isinstance(document, dict):
        raise BudgetFileError(f"{name} is not a JSON object. Allowed: an object with one entry per `METHOD route`.")
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
        raise BudgetFileError(f'{place} is {entry!r}. Allowed: an object, for example {{"max": 3}}.')
    if unknown := set(entry) - KEYS:
        raise BudgetFileError(f"{place} has an unknown key {min(unknown)!r}. Allowed: {', '.join(sorted(KEYS))}.")
    if "max" not in entry:
        raise BudgetFileError(f'{place} has no key "max". Allowed: {MAX_VALUES}.')
    maximum, reason = entry["max"], entry.get("reason", "")
    if maximum is not None and (not isinstance(maximum, int) or isinstance(maximum, bool) or maximum < 0):
        raise BudgetFileError(f'{place}: "max" is {maximum!r}. Allowed: {MAX_VALUES}.')
    if not isinstance(reason, str):
        raise BudgetFileError(f'{place}: "reason" is {reason!r}. Allowed: a text.')
    if maximum is None and not reason.strip():
        raise BudgetFileError(
            f'{place}: "max" is null, which waives the budget, but "reason" is empty. Write a reason.'
        )
    if entry.get("scale", CONSTANT) != CONSTANT:
        raise BudgetFileError(f'{place}: "scale" is {entry["scale"]!r}. Allowed: {CONSTANT!r}, or no key "scale".')
    statements = entry.get("statements", [])
    if not isinstance(statements, list) or not all(map(_is_statement, statements)):
        raise BudgetFileError(
            f'{place}: "statements" is {statements!r}. Allowed: a list of texts with a count, such as "1x COMMIT".'
        )
    return Budget(maximum, entry.get("scale", ""), tuple(statements), reason)


def _is_statement(line: object) -> bool:
    return isinstance(line, str) and line.partition("x ")[0].isdecimal()


def _set_mode(descriptor: int, mode: int) -> None:
    """Set the mode of an open file. Unlike at its creation, the umask does not change it."""
    if sys.platform != "win32":
        os.fchmod(descriptor, mode)
