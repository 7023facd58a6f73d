"""System checks of the room."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004

from observability.budgets.budget_file import BudgetFileError, load
from observability.budgets.location import budget_path
from observability.conf import configuration

READER = "observability.budgets.reader.QueryBudgets"
ACCESS_LINE = "observability.logs.access.AccessLine"


@register("observability")
def check_file(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """E401: the budget file cannot be read; W401: the reader is installed, and there is no file."""
    path = budget_path()
    try:
        load(path)
    except BudgetFileError as error:
        hint = "Correct it, or take it from git again; the tests record it: pytest --query-budget=record."
        return [Error(str(error), hint=hint, id="observability.E401")]
    if READER in configuration().readers and not path.exists():
        hint = "Record it by pytest --query-budget=record, or take the reader out of READERS."
        return [Warning(f"There is no budget file {path}: no route has a budget.", hint=hint, id="observability.W401")]
    return []


@register("observability")
def check_order(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """W402: the access line is written before the budgets are compared to the end."""
    names = list(configuration().readers)
    if READER not in names or ACCESS_LINE not in names or names.index(READER) < names.index(ACCESS_LINE):
        return []
    hint = f"Put {READER!r} before {ACCESS_LINE!r}."
    return [Warning("READERS has the budgets after the access line.", hint=hint, id="observability.W402")]
