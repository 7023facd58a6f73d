"""The request page: the description of the transactions of a request."""

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
    """Return a profile with these steps. A word is the name of a statement, or a part of a transaction."""
    steps = []
    for at_ms, word in enumerate(events.split()):
        kind = word.replace("_", " ")
        is_query = word in STATEMENTS
        steps.append(query(at_ms, list(STATEMENTS).index(word)) if is_query else step(kind, at_ms))
    return profile(steps, list(STATEMENTS.values()), transaction=outcome, status=status)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ("begin write commit", "committed: its changes are stored"),
        ("begin commented commit", "committed: its changes are stored"),
        ("begin with commit", "committed: its changes are stored"),
        ("begin called commit", "committed: its changes are stored"),
        ("begin read with-read commit", "committed, but nothing was changed"),
        (
            "begin write savepoint write rollback_to_savepoint commit",
            "committed: its changes are stored, except those that a savepoint rolled back",
        ),
        ("begin write savepoint read rollback_to_savepoint commit", "committed: its changes are stored"),
    ],
)
def test_committed_transaction_is_described(events: str, words: str) -> None:
    assert describe_transaction(profile_of(events, "committed")) == words


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ("begin write rollback", "rolled back: no change is stored"),
        ("begin savepoint write release_savepoint rollback", "rolled back: no change is stored"),
        ("begin read rollback", "rolled back, but nothing was changed"),
        (
            "begin write commit begin write rollback",
            "one of several transactions was rolled back: its changes are not stored",
        ),
        ("write begin read rollback", "one of several transactions was rolled back: its changes are not stored"),
        ("elsewhere begin write rollback", "rolled back: no change is stored"),
    ],
)
def test_rolled_back_transaction_is_described(events: str, words: str) -> None:
    assert describe_transaction(profile_of(events, "rolled_back")) == words


def test_description_of_a_commit_mentions_an_error_status() -> None:
    found = describe_transaction(profile_of("begin write commit", "committed", 409))
    assert found == "committed, although the status is 409: its changes are stored"


@pytest.mark.parametrize(
    ("events", "words"),
    [("write", "none: each change was stored immediately"), ("read", "none: no query ran in a transaction")],
)
def test_request_without_a_transaction_is_described(events: str, words: str) -> None:
    assert describe_transaction(profile_of(events, "none")) == words


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("committed", "committed: its changes are stored"),
        ("rolled_back", "rolled back: its changes are not stored"),
    ],
)
def test_description_considers_that_dropped_steps_may_have_changed_data(outcome: str, words: str) -> None:
    known = profile_of("begin read rollback" if outcome == "rolled_back" else "begin read commit", outcome)
    assert describe_transaction(changed(known, dropped_steps={"query": 3})) == words
