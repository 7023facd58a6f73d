"""The budget file: what is written, and what is refused."""

from pathlib import Path

import pytest

from observability.budgets.budget_file import Budget, BudgetFileError, dump, load, parse, save

BUDGETS = {
    "POST /b/": Budget(None, reason="a report"),
    "GET /a/": Budget(2, "constant", ("1x SELECT COUNT(*) FROM a", "1x SELECT … FROM a")),
}


def test_file_is_sorted_and_read_as_it_was_written(tmp_path: Path) -> None:
    assert save(tmp_path / "new" / "budgets.json", BUDGETS)
    assert load(tmp_path / "new" / "budgets.json") == BUDGETS
    text = (tmp_path / "new" / "budgets.json").read_text()
    assert (text.index("GET /a/") < text.index("POST /b/"), text[-1]) == (True, "\n")


def test_file_that_says_the_same_is_left_alone(tmp_path: Path) -> None:
    save(tmp_path / "budgets.json", BUDGETS)
    assert not save(tmp_path / "budgets.json", dict(reversed(BUDGETS.items())))
    assert [path.name for path in tmp_path.iterdir()] == ["budgets.json"]


def test_new_file_can_be_read_by_all_and_the_mode_of_an_old_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "budgets.json"
    save(file, {})
    assert file.stat().st_mode & 0o777 == 0o644
    file.chmod(0o664)
    save(file, BUDGETS)
    assert file.stat().st_mode & 0o777 == 0o664


def test_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BudgetFileError, match=r"file/budgets.json cannot be written"):
        save(tmp_path / "file" / "budgets.json", BUDGETS)


def test_absent_file_has_no_budgets(tmp_path: Path) -> None:
    assert load(tmp_path / "budgets.json") == {}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "x is empty"),
        ("{", "x:1: not JSON"),
        ("[" * 100_000, "x cannot be read: maximum recursion"),
        ('{"GET /": {"max": ' + "9" * 5000 + "}}", "x cannot be read: Exceeds the limit"),
        ('{"GET /": {"max": 1},\n<<<<<<< HEAD', r"x:2: not JSON: .* \(a conflict of git\?\)"),
        ("[]", "x: not an object"),
        ('{"GET /": {"max": 1}, "GET /": {"max": 2}}', "x has 'GET /' twice"),
        ('{"GET /": 3}', "x: GET / is 3; an entry is an object"),
        ('{"GET /": {"statements": []}}', "x: GET / has no max"),
        ('{"GET /": {"max": -1}}', "max is -1"),
        ('{"GET /": {"max": true}}', "max is True"),
        ('{"GET /": {"max": null, "reason": " "}}', "waived .* with a reason only"),
        ('{"GET /": {"max": 1, "limit": 2}}', "unknown key 'limit'"),
        ('{"GET /": {"max": 1, "scale": "linear"}}', "scale is 'linear'"),
        ('{"GET /": {"max": 1, "statements": ["SELECT 1"]}}', "statements is a list of texts"),
    ],
)
def test_wrong_file_is_refused_with_the_place_and_what_is_allowed(text: str, error: str) -> None:
    with pytest.raises(BudgetFileError, match=error):
        parse(text, "x")


def test_text_is_the_same_for_the_same_budgets() -> None:
    assert dump(BUDGETS) == dump(dict(reversed(BUDGETS.items())))
