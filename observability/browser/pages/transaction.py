"""What became of the transactions of a call, in words."""

import re

from observability.browser.pages.call import Call

# The steps that are parts of a transaction.
KINDS = ("begin", "savepoint", "release savepoint", "rollback to savepoint", "commit", "rollback")

_writes = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|MERGE|WITH .*\b(INSERT|UPDATE|DELETE)\b)", re.IGNORECASE)


def meaning(call: Call) -> str:
    """One sentence: whether what the call wrote is stored."""
    kinds = [step["kind"] for step in call.document["steps"]]
    wrote = any(_writes.match(each["text"]) for each in call.document["statements"])
    sentence = _of_outcome(call, kinds, wrote=wrote)
    if "rollback to savepoint" in kinds and call.row.transaction == "committed" and wrote:
        sentence += "; what was written after a savepoint that was rolled back is not"
    return sentence


def _of_outcome(call: Call, kinds: list[str], *, wrote: bool) -> str:
    outcome, status = call.row.transaction, call.row.status or 0
    if outcome == "rolled_back":
        if "commit" in kinds:
            return "one of several was rolled back: what that one wrote is not stored"
        return "rolled back: nothing was stored" if wrote else "rolled back; nothing had been written"
    if outcome == "committed":
        if not wrote:
            return "committed; nothing was written"
        return f"committed{f', although it answered {status}' if status >= 400 else ''}: what it wrote is stored"  # noqa: PLR2004
    return "none: what it wrote is stored at once" if wrote else "none: nothing was executed in one"
