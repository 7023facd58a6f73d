"""System checks of the query budgets."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004

from observability.budgets.budget_file import BudgetFileError, budget_path, load_budgets
from observability.conf import configuration

READER = "observability.budgets.reader.QueryBudgetReader"
# These readers show the result of READER.
SHOWN_BY = ("observability.response_headers.ServerTimingHeader", "observability.logs.access_log.AccessLogReader")


@register("observability")
def check_file(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001 - Django's signature
    """E401: the budget file cannot be used. W401: QueryBudgetReader is in READERS, but the file does not exist."""
    path = budget_path()
    try:
        load_budgets(path)
    except BudgetFileError as error:
        hint = "Correct the file, or restore it from git. `pytest --query-budget=record` records the budgets again."
        return [Error(str(error), hint=hint, id="observability.E401")]
    if READER in configuration().readers and not path.exists():
        message = f"The budget file {path} does not exist: no route has a budget."
        hint = f"Record it with `pytest --query-budget=record`, or remove {READER!r} from READERS."
        return [Warning(message, hint=hint, id="observability.W401")]
    return []


@register("observability")
def check_order(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001 - Django's signature
    """W402: a reader that shows the result of QueryBudgetReader runs before it."""
    names = list(configuration().readers)
    first = next((name for name in names if name in SHOWN_BY), None)
    if READER not in names or first is None or names.index(READER) < names.index(first):
        return []
    message = f"READERS lists QueryBudgetReader after {first.rpartition('.')[2]}, which shows its result."
    return [Warning(message, hint=f"Put {READER!r} before {first!r}.", id="observability.W402")]
