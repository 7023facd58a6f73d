"""The README's example of a test is one."""

import re
from pathlib import Path
from typing import Any

import pytest

from service.models import Truck

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.django_db
def test_example_of_a_query_budget_passes_as_it_stands(django_assert_query_budget: Any) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict[str, Any] = {"pytest": pytest, "Truck": Truck}
    exec(example, names)
    (run,) = [value for name, value in names.items() if name.startswith("test_")]
    run(django_assert_query_budget=django_assert_query_budget)
