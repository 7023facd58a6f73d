"""The page about the JSON of a profile lists every key, and no other key."""

import re
from dataclasses import fields
from typing import Any

from observability.profiler.pages.comparison import Comparison
from observability.profiler.pages.request_list import to_summary
from observability.profiler.profile_document import EMPTY_DOCUMENT, StatementDocument, StepDocument
from observability.profiler.profile_store import ProfileRow, StoredProfile
from tests.server import ROOT

PAGE = (ROOT / "docs" / "reference" / "profile-json.md").read_text()
ROW = ProfileRow(**dict.fromkeys((field.name for field in fields(ProfileRow)), 0))  # type: ignore[arg-type]
PROFILE = StoredProfile(ROW, EMPTY_DOCUMENT)


def keys_in_table(header: str) -> set[str]:
    """Return the names in backticks of the first column of the table with this header row."""
    _, found, rest = PAGE.partition(f"| {header} |")
    assert found, f"no table begins with {header!r}"
    rows = rest.partition("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`([\w ]+)`", row.split("|")[1])}


def keys_of(document: Any) -> set[str]:
    return set(document.__annotations__)


def test_all_keys_of_a_profile_are_listed() -> None:
    assert keys_in_table("key") == {*to_summary(ROW), *EMPTY_DOCUMENT, "flame_graph"}


def test_all_keys_of_the_list_are_listed() -> None:
    assert keys_in_table("key of the list") == set(to_summary(ROW))


def test_all_keys_of_a_comparison_are_listed() -> None:
    assert keys_in_table("key of a comparison") == set(Comparison(PROFILE, PROFILE).to_dict())


def test_all_keys_of_a_statement_and_a_step_are_named() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert keys_of(StatementDocument) | keys_of(StepDocument) <= named
