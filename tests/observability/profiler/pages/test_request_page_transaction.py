"""The request page: how the transactions of a request ended, in words."""

import pytest

from observability.profiler.pages.request_page import describe_transaction
from observability.profiler.profile_store import StoredProfile
from tests.observability.profiler.pages.conftest import changed, profile, query, statement, step

STATEMENTS = {
    "write": statement("INSERT INTO a"),
    "read": statement("SELECT a FOR UPDATE"),
    "commented": statement("/* by us */ DELETE FROM a"),
    "with": statement(" WITH x AS (SELECT 1) DELETE FROM a"),
    "with-read": statement("WITH x AS (SELECT 1) SELECT 1"),
    "called": statement("CALL fill()"),
    "elsewhere": statement("INSERT INTO b", database="other"),
}


def profile_of(events: str, outcome: str, status: int = 200) -> StoredProfile:
    """Return a profile with these steps, in words: the name of a statement, or a part of a transaction."""
    steps = []
    for at_ms, word in enumerate(events.split()):
        kind = word.replace("_", " ")
        is_query = word in STATEMENTS
        steps.append(query(at_ms, list(STATEMENTS).index(word)) if is_query else step(kind, at_ms))
    return profile(steps, list(STATEMENTS.values()), transaction=outcome, status=status)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ("begin write commit", "committed: what it wrote is stored"),
        ("begin commented commit", "committed: what it wrote is stored"),
        ("begin with commit", "committed: what it wrote is stored"),
        ("begin called commit", "committed: what it wrote is stored"),
        ("begin read with-read commit", "committed; nothing was written"),
        (
            "begin write savepoint write rollback_to_savepoint commit",
            "committed: what it wrote is stored; what was written after a savepoint that was rolled back is not",
        ),
        ("begin write savepoint read rollback_to_savepoint commit", "committed: what it wrote is stored"),
    ],
)
def test_commit(events: str, words: str) -> None:
    assert describe_transaction(profile_of(events, "committed")) == words


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ("begin write rollback", "rolled back: nothing was stored"),
        ("begin savepoint write release_savepoint rollback", "rolled back: nothing was stored"),
        ("begin read rollback", "rolled back; nothing had been written"),
        (
            "begin write commit begin write rollback",
            "one of several was rolled back: what that one wrote is not stored",
        ),
        ("write begin read rollback", "one of several was rolled back: what that one wrote is not stored"),
        ("elsewhere begin write rollback", "rolled back: nothing was stored"),
    ],
)
def test_rollback(events: str, words: str) -> None:
    assert describe_transaction(profile_of(events, "rolled_back")) == words


def test_commit_of_an_error_says_so() -> None:
    found = describe_transaction(profile_of("begin write commit", "committed", 409))
    assert found == "committed, although the status is 409: what it wrote is stored"


@pytest.mark.parametrize(
    ("events", "words"),
    [("write", "none: what it wrote is stored at once"), ("read", "none: nothing was executed in one")],
)
def test_no_transaction(events: str, words: str) -> None:
    assert describe_transaction(profile_of(events, "none")) == words


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("committed", "committed: what it wrote is stored"),
        ("rolled_back", "rolled back: what was written in it is not stored"),
    ],
)
def test_dropped_steps_may_have_written(outcome: str, words: str) -> None:
    known = profile_of("begin read rollback" if outcome == "rolled_back" else "begin read commit", outcome)
    assert describe_transaction(changed(known, dropped_steps={"query": 3})) == words
