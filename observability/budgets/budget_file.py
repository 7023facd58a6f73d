"""The budget file: how many queries each route may run, by `METHOD route`; recorded by tests, reviewed in a diff.

    "GET /api/v1/books/": {
      "max": 2,
      "reason": "why it is raised or waived, where it is",
      "scale": "constant",
      "statements": ["1x SELECT … FROM shop_book WHERE …", "1x SELECT COUNT(*) FROM shop_book"]
    }

`max` counts the application's queries (`ownership.py`); null waives the budget, for a reason. `scale` says that a test
proved the count to be the same for any number of rows. `statements` are those of the request that ran most.
"""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONSTANT = "constant"
KEYS = {"max", "reason", "scale", "statements"}
DEFAULT_NAME = "query_budgets.json"


class BudgetFileError(Exception):
    """The file cannot be used: the message names it, the place in it, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one route may run; `maximum` is None where the budget is waived."""

    maximum: int | None
    scale: str = ""
    statements: tuple[str, ...] = ()
    reason: str = ""

    @property
    def counted(self) -> dict[str, int]:
        """How often each statement may run, as recorded."""
        pairs = (line.partition("x ") for line in self.statements)
        return {statement: int(number) for number, _, statement in pairs}

    def as_json(self) -> dict[str, Any]:
        written: dict[str, Any] = {"max": self.maximum}
        if self.reason:
            written["reason"] = self.reason
        if self.scale:
            written["scale"] = self.scale
        return written | {"statements": list(self.statements)}


Budgets = dict[str, Budget]


def multiset(statements: Mapping[str, int]) -> tuple[str, ...]:
    """`1x SELECT …` for each statement, sorted by the statement."""
    return tuple(f"{number}x {statement}" for statement, number in sorted(Counter(statements).items()))


def load(path: Path) -> Budgets:
    """The budgets of a file, none where there is no file. Raises `BudgetFileError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BudgetFileError(f"{path} cannot be read: {error}.") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Budgets:
    """The budgets of a text; `name` stands for it in errors."""
    if not text.strip():
        raise BudgetFileError(f"{name} is empty: take it from git again, or remove it and record the budgets.")
    try:
        written = json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        hint = " (a conflict of git?)" if "<<<<<<<" in text else ""
        raise BudgetFileError(f"{name}:{error.lineno}: not JSON: {error.msg}{hint}.") from error
    except _RepeatedKeyError as error:
        raise BudgetFileError(f"{name} has {error} twice: leave one of them.") from error
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, or lists in lists as many.
        raise BudgetFileError(f"{name} cannot be read: {error}.") from error
    if not isinstance(written, dict):
        raise BudgetFileError(f"{name}: not an object with an entry for each `METHOD route`.")
    return {route: _budget(entry, f"{name}: {route}") for route, entry in written.items()}


class _RepeatedKeyError(Exception):
    pass


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    counted = Counter(key for key, _ in pairs)
    for key, number in counted.items():
        if number > 1:
            raise _RepeatedKeyError(repr(key))
    return dict(pairs)


def _budget(entry: Any, place: str) -> Budget:  # noqa: ANN401 - what the file says
    if not isinstance(entry, dict):
        raise BudgetFileError(f'{place} is {entry!r}; an entry is an object such as {{"max": 3}}.')
    if unknown := set(entry) - KEYS:
        raise BudgetFileError(f"{place}: unknown key {min(unknown)!r}; known are {', '.join(sorted(KEYS))}.")
    if "max" not in entry:
        raise BudgetFileError(f"{place} has no max; it is a whole number from 0, or null with a reason.")
    maximum, reason = entry["max"], entry.get("reason", "")
    if maximum is not None and (not isinstance(maximum, int) or isinstance(maximum, bool) or maximum < 0):
        raise BudgetFileError(f"{place}: max is {maximum!r}; it is a whole number from 0, or null with a reason.")
    if not isinstance(reason, str) or (maximum is None and not reason.strip()):
        raise BudgetFileError(f"{place}: a budget is waived (max: null) with a reason only: say it in `reason`.")
    if entry.get("scale", CONSTANT) != CONSTANT:
        raise BudgetFileError(f"{place}: scale is {entry['scale']!r}; it is {CONSTANT!r} or absent.")
    statements = entry.get("statements", [])
    if not isinstance(statements, list) or not all(map(_is_statement, statements)):
        raise BudgetFileError(f'{place}: statements is a list of texts, each with how often it runs: "1x COMMIT".')
    return Budget(maximum, entry.get("scale", ""), tuple(statements), reason)


def _is_statement(line: object) -> bool:
    return isinstance(line, str) and line.partition("x ")[0].isdecimal()


def dump(budgets: Budgets) -> str:
    """The text of a file: sorted, and the same for the same budgets."""
    entries = {route: budgets[route].as_json() for route in sorted(budgets)}
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def save(path: Path, budgets: Budgets) -> bool:
    """Write the file as a whole or not at all; whether it differs from what was there. Raises `BudgetFileError`."""
    text = dump(budgets)
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        Path(file.name).chmod(path.stat().st_mode if path.exists() else 0o644)
        os.replace(file.name, path)  # noqa: PTH105 - it is what makes the write whole
    except OSError as error:
        raise BudgetFileError(f"{path} cannot be written: {error}.") from error
    return True
