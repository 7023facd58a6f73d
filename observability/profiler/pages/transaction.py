"""How the transactions of a request on the default database ended, in words."""

import re
from collections.abc import Iterator

from observability.profiler.profile_document import StepDocument
from observability.profiler.profile_store import StoredProfile

# The kinds of steps that are parts of a transaction.
TRANSACTION_KINDS = ("begin", "savepoint", "release savepoint", "rollback to savepoint", "commit", "rollback")
DEFAULT = "default"

_reads = re.compile(
    r"(?:\s|/\*.*?\*/)*(SELECT|EXPLAIN|SHOW|VALUES|PRAGMA|WITH(?!.*\b(INSERT|UPDATE|DELETE)\b))\b", re.DOTALL
)


def describe_transaction(profile: StoredProfile) -> str:
    """Return a sentence that says whether the writes of the request are stored, as far as that is certain."""
    writes = set(_write_outcomes(profile))
    # Steps that were dropped may have written, too.
    is_complete = not profile.document["dropped_steps"]
    outcome, status = profile.row.transaction, profile.row.status or 0
    if outcome == "rolled_back":
        return _describe_rollback(writes, is_complete=is_complete)
    if outcome == "committed":
        if is_complete and not writes:
            return "committed; nothing was written"
        although = f", although the status is {status}" if status >= 400 else ""  # noqa: PLR2004 - of HTTP
        lost = "; what was written after a savepoint that was rolled back is not" if "lost" in writes else ""
        return f"committed{although}: what it wrote is stored{lost}"
    return "none: what it wrote is stored at once" if writes else "none: nothing was executed in one"


def _describe_rollback(writes: set[str], *, is_complete: bool) -> str:
    if "stored" in writes:
        return "one of several was rolled back: what that one wrote is not stored"
    if not is_complete:
        return "rolled back: what was written in it is not stored"
    return "rolled back: nothing was stored" if writes else "rolled back; nothing had been written"


def _write_outcomes(profile: StoredProfile) -> Iterator[str]:
    """Yield `stored` or `lost` for each statement that may have written, as its transaction and savepoints ended."""
    # The number of writes in each open block, the outermost first.
    open_blocks: list[int] = []
    for step in _steps_of_default_database(profile):
        kind = step["kind"]
        if kind == "query":
            if _reads.match(profile.document["statements"][step["statement"]]["text"]):
                continue
            if open_blocks:
                open_blocks[-1] += 1
            else:
                yield "stored"
        elif kind in ("begin", "savepoint"):
            open_blocks.append(0)
        elif kind == "release savepoint" and len(open_blocks) > 1:
            inner = open_blocks.pop()
            open_blocks[-1] += inner
        elif kind == "rollback to savepoint" and open_blocks:
            yield from ["lost"] * open_blocks.pop()
        elif kind in ("commit", "rollback"):
            yield from ["stored" if kind == "commit" else "lost"] * sum(open_blocks)
            open_blocks.clear()
    # In a test, the transaction started before the request and ends after it.
    yield from ["lost" if profile.row.transaction == "rolled_back" else "stored"] * sum(open_blocks)


def _steps_of_default_database(profile: StoredProfile) -> Iterator[StepDocument]:
    statements = profile.document["statements"]
    for step in profile.document["steps"]:
        if step["kind"] == "query":
            if statements[step["statement"]]["database"] == DEFAULT:
                yield step
        elif step["kind"] in TRANSACTION_KINDS and step["source"] == DEFAULT:
            yield step
