"""The budget file: how it is written, and the errors of an invalid file."""

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


def test_saved_budgets_are_sorted_and_load_unchanged(tmp_path: Path) -> None:
    assert save_budgets(tmp_path / "new" / "budgets.json", BUDGETS)
    assert load_budgets(tmp_path / "new" / "budgets.json") == BUDGETS
    text = (tmp_path / "new" / "budgets.json").read_text()
    assert (text.index("GET /a/") < text.index("POST /b/"), text[-1]) == (True, "\n")


def test_unchanged_budgets_are_not_written(tmp_path: Path) -> None:
    save_budgets(tmp_path / "budgets.json", BUDGETS)
    assert not save_budgets(tmp_path / "budgets.json", dict(reversed(BUDGETS.items())))
    assert [path.name for path in tmp_path.iterdir()] == ["budgets.json"]


def test_new_file_is_world_readable_and_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "budgets.json"
    save_budgets(file, {})
    assert file.stat().st_mode & 0o777 == 0o644
    file.chmod(0o664)
    save_budgets(file, BUDGETS)
    assert file.stat().st_mode & 0o777 == 0o664


def test_write_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BudgetFileError, match=r"file/budgets.json cannot be written"):
        save_budgets(tmp_path / "file" / "budgets.json", BUDGETS)


def test_missing_file_has_no_budgets(tmp_path: Path) -> None:
    assert load_budgets(tmp_path / "budgets.json") == {}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "x is empty"),
        ("{", "x:1 is not valid JSON"),
        ("[" * 100_000, "x cannot be read: maximum recursion"),
        ('{"GET /": {"max": ' + "9" * 5000 + "}}", "x cannot be read: Exceeds the limit"),
        ('{"GET /": {"max": 1},\n<<<<<<< HEAD', "x:2 is not valid JSON: .* merge conflict"),
        ("[]", "x is not a JSON object. Allowed: an object"),
        ('{"GET /": {"max": 1}, "GET /": {"max": 2}}', "x contains 'GET /' more than once"),
        ('{"GET /": 3}', "x: GET / is 3. Allowed: an object"),
        ('{"GET /": {"statements": []}}', 'x: GET / has no key "max"'),
        ('{"GET /": {"max": -1}}', '"max" is -1. Allowed: a whole number, 0 or more'),
        ('{"GET /": {"max": true}}', '"max" is True'),
        ('{"GET /": {"max": null, "reason": " "}}', '"max" is null.* but "reason" is empty'),
        ('{"GET /": {"max": 1, "reason": 2}}', '"reason" is 2. Allowed: a text'),
        ('{"GET /": {"max": 1, "limit": 2}}', "unknown key 'limit'"),
        ('{"GET /": {"max": 1, "scale": "linear"}}', "\"scale\" is 'linear'. Allowed: 'constant'"),
        ('{"GET /": {"max": 1, "statements": ["SELECT 1"]}}', r'"statements" is \[.*\]. Allowed: a list of texts'),
    ],
)
def test_error_of_an_invalid_file_names_the_entry_and_what_is_allowed(text: str, error: str) -> None:
    with pytest.raises(BudgetFileError, match=error):
        parse_budgets(text, "x")


def test_equal_budgets_render_to_the_same_text() -> None:
    assert render_budgets(BUDGETS) == render_budgets(dict(reversed(BUDGETS.items())))
