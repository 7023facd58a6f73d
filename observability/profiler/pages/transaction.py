"""What became of the transactions of a call on the default database, in words."""

import re
from collections.abc import Iterator
from typing import Any

from observability.profiler.pages.call import Call

# The steps that are parts of a transaction.
KINDS = ("begin", "savepoint", "release savepoint", "rollback to savepoint", "commit", "rollback")
DEFAULT = "default"

_reads = re.compile(
    r"(?:\s|/\*.*?\*/)*(SELECT|EXPLAIN|SHOW|VALUES|PRAGMA|WITH(?!.*\b(INSERT|UPDATE|DELETE)\b))\b", re.DOTALL
)


def meaning(call: Call) -> str:
    """One sentence: whether what the call wrote is stored. It says nothing of what is not known for sure."""
    written = set(_written(call))
    # What is left out of the steps may have written, too.
    is_whole = not call.document["dropped_steps"]
    outcome, status = call.row.transaction, call.row.status or 0
    if outcome == "rolled_back":
        return _of_rollback(written, is_whole=is_whole)
    if outcome == "committed":
        if is_whole and not written:
            return "committed; nothing was written"
        although = f", although it answered {status}" if status >= 400 else ""  # noqa: PLR2004 - of HTTP
        undone = "; what was written after a savepoint that was rolled back is not" if "undone" in written else ""
        return f"committed{although}: what it wrote is stored{undone}"
    return "none: what it wrote is stored at once" if written else "none: nothing was executed in one"


def _of_rollback(written: set[str], *, is_whole: bool) -> str:
    if "stored" in written:
        return "one of several was rolled back: what that one wrote is not stored"
    if not is_whole:
        return "rolled back: what was written in it is not stored"
    return "rolled back: nothing was stored" if written else "rolled back; nothing had been written"


def _written(call: Call) -> Iterator[str]:
    """For each statement that may have written: `stored` or `undone`, by how its transaction and savepoints ended."""
    # Of the blocks that are open, the outermost first: how many statements of each may have written.
    open_ones: list[int] = []
    for step in _steps(call):
        kind = step["kind"]
        if kind == "query":
            if _reads.match(call.document["statements"][step["statement"]]["text"]):
                continue
            if open_ones:
                open_ones[-1] += 1
            else:
                yield "stored"
        elif kind in ("begin", "savepoint"):
            open_ones.append(0)
        elif kind == "release savepoint" and len(open_ones) > 1:
            inner = open_ones.pop()
            open_ones[-1] += inner
        elif kind == "rollback to savepoint" and open_ones:
            yield from ["undone"] * open_ones.pop()
        elif kind in ("commit", "rollback"):
            yield from ["stored" if kind == "commit" else "undone"] * sum(open_ones)
            open_ones.clear()
    # Of a request in a test the transaction began before it, and goes on.
    yield from ["undone" if call.row.transaction == "rolled_back" else "stored"] * sum(open_ones)


def _steps(call: Call) -> Iterator[dict[str, Any]]:
    statements = call.document["statements"]
    for step in call.document["steps"]:
        if step["kind"] == "query":
            if statements[step["statement"]]["database"] == DEFAULT:
                yield step
        elif step["kind"] in KINDS and step["source"] == DEFAULT:
            yield step
