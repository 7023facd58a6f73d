"""The budget file: what is written, and which errors it reports."""

from pathlib import Path

import pytest

from observability.budgets.budget_file import (
    Budget,
    BudgetFileError,
    load_budgets,
    parse_budgets,
    render_budgets,
    save_budgets,
)

BUDGETS = {
    "POST /b/": Budget(None, reason="a report"),
    "GET /a/": Budget(2, "constant", ("1x SELECT COUNT(*) FROM a", "1x SELECT … FROM a")),
}


def test_saved_file_is_sorted_and_loads_as_it_was_saved(tmp_path: Path) -> None:
    assert save_budgets(tmp_path / "new" / "budgets.json", BUDGETS)
    assert load_budgets(tmp_path / "new" / "budgets.json") == BUDGETS
    text = (tmp_path / "new" / "budgets.json").read_text()
    assert (text.index("GET /a/") < text.index("POST /b/"), text[-1]) == (True, "\n")


def test_file_with_the_same_content_is_not_written(tmp_path: Path) -> None:
    save_budgets(tmp_path / "budgets.json", BUDGETS)
    assert not save_budgets(tmp_path / "budgets.json", dict(reversed(BUDGETS.items())))
    assert [path.name for path in tmp_path.iterdir()] == ["budgets.json"]


def test_everybody_can_read_a_new_file_and_an_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "budgets.json"
    save_budgets(file, {})
    assert file.stat().st_mode & 0o777 == 0o644
    file.chmod(0o664)
    save_budgets(file, BUDGETS)
    assert file.stat().st_mode & 0o777 == 0o664


def test_error_of_a_file_that_cannot_be_written_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BudgetFileError, match=r"file/budgets.json cannot be written"):
        save_budgets(tmp_path / "file" / "budgets.json", BUDGETS)


def test_missing_file_has_no_budgets(tmp_path: Path) -> None:
    assert load_budgets(tmp_path / "budgets.json") == {}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "x is empty"),
        ("{", "x:1: not JSON"),
        ("[" * 100_000, "x cannot be read: maximum recursion"),
        ('{"GET /": {"max": ' + "9" * 5000 + "}}", "x cannot be read: Exceeds the limit"),
        ('{"GET /": {"max": 1},\n<<<<<<< HEAD', r"x:2: not JSON: .* \(a merge conflict\?\)"),
        ("[]", "x: not an object"),
        ('{"GET /": {"max": 1}, "GET /": {"max": 2}}', "x contains 'GET /' twice"),
        ('{"GET /": 3}', "x: GET / is 3; an entry is an object"),
        ('{"GET /": {"statements": []}}', "x: GET / has no max"),
        ('{"GET /": {"max": -1}}', "max is -1"),
        ('{"GET /": {"max": true}}', "max is True"),
        ('{"GET /": {"max": null, "reason": " "}}', "a waived budget .* needs a text in `reason`"),
        ('{"GET /": {"max": 1, "limit": 2}}', "unknown key 'limit'"),
        ('{"GET /": {"max": 1, "scale": "linear"}}', "scale is 'linear'"),
        ('{"GET /": {"max": 1, "statements": ["SELECT 1"]}}', "statements is a list of texts"),
    ],
)
def test_error_of_an_invalid_file_names_the_place_and_what_is_allowed(text: str, error: str) -> None:
    with pytest.raises(BudgetFileError, match=error):
        parse_budgets(text, "x")


def test_text_is_the_same_for_the_same_budgets() -> None:
    assert render_budgets(BUDGETS) == render_budgets(dict(reversed(BUDGETS.items())))
