"""The example of a test in the README passes."""

import re
from pathlib import Path
from typing import Any

import pytest

from service.models import Truck

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.django_db
def test_query_budget_example_of_the_readme_passes(django_assert_query_budget: Any) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict[str, Any] = {"pytest": pytest, "Truck": Truck}
    exec(example, names)
    (run,) = [value for name, value in names.items() if name.startswith("test_")]
    run(django_assert_query_budget=django_assert_query_budget)
