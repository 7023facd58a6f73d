"""What became of the transactions of a call, in words."""

import pytest

from observability.browser.pages.transaction import meaning
from tests.observability.browser.pages.conftest import call, statement, step

WRITE, READ = "INSERT INTO a", "SELECT a"


@pytest.mark.parametrize(
    ("kinds", "statements", "outcome", "status", "words"),
    [
        ("begin commit", [WRITE], "committed", 200, "committed: what it wrote is stored"),
        ("begin commit", [READ], "committed", 200, "committed; nothing was written"),
        ("begin commit", [WRITE], "committed", 409, "committed, although it answered 409: what it wrote is stored"),
        ("begin rollback", [WRITE], "rolled_back", 500, "rolled back: nothing was stored"),
        ("begin rollback", [READ], "rolled_back", 400, "rolled back; nothing had been written"),
        (
            "begin commit begin rollback",
            [WRITE],
            "rolled_back",
            500,
            "one of several was rolled back: what that one wrote is not stored",
        ),
        ("", [WRITE], "none", 200, "none: what it wrote is stored at once"),
        ("", [READ], "none", 200, "none: nothing was executed in one"),
        (
            "begin savepoint|rollback to savepoint|commit",
            [WRITE],
            "committed",
            200,
            "committed: what it wrote is stored; what was written after a savepoint that was rolled back is not",
        ),
        (
            "begin commit",
            ["  with x AS (SELECT 1) DELETE FROM a"],
            "committed",
            200,
            "committed: what it wrote is stored",
        ),
    ],
)
def test_meaning(kinds: str, statements: list[str], outcome: str, status: int, words: str) -> None:
    named = kinds.split("|") if "|" in kinds else kinds.split()
    steps = [step(kind, at_ms) for at_ms, kind in enumerate(named)]
    assert meaning(call(steps, [statement(text) for text in statements], transaction=outcome, status=status)) == words
