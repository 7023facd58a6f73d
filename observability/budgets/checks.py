"""System checks of the room."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004

from observability.budgets.budget_file import BudgetFileError, load
from observability.budgets.location import budget_path
from observability.conf import configuration

READER = "observability.budgets.reader.QueryBudgets"
# They show what it finds.
SHOWN_BY = ("observability.response_headers.ServerTimingHeader", "observability.logs.access_log.AccessLogReader")


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
    """W402: a reader that shows the verdict runs before it is there."""
    names = list(configuration().readers)
    first = next((name for name in names if name in SHOWN_BY), None)
    if READER not in names or first is None or names.index(READER) < names.index(first):
        return []
    hint = f"Put {READER!r} before {first!r}."
    return [Warning("READERS has the budgets after a reader that shows them.", hint=hint, id="observability.W402")]
