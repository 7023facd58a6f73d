"""The page of the settings names what there is, all of it and nothing else."""

import re

from observability.conf import KEYS
from tests.server import ROOT

PAGE = (ROOT / "docs" / "reference" / "settings.md").read_text()


def names_in_table(heading: str) -> set[str]:
    table = PAGE.partition(heading)[2].partition("\n\n")[0]
    first_cells = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    return {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_variable_that_the_settings_read_is_in_the_table() -> None:
    read: set[str] = set()
    for module in (ROOT / "settings").glob("*.py"):
        read |= set(re.findall(r'(?:environment\.\w+|\bdatabase)\(\s*"([A-Z_]+)"', module.read_text()))
    assert "SECRET_KEY" in read
    assert names_in_table("values that may hold a secret are not repeated.\n\n") == read


def test_every_key_of_observability_is_in_the_table() -> None:
    assert names_in_table("`observability.E001` of `manage.py check`.\n\n") == KEYS
