"""The Django app `observability.budgets`."""

from django.apps import AppConfig


class BudgetsConfig(AppConfig):
    name = "observability.budgets"
    label = "observability_budgets"

    def ready(self) -> None:
        from observability.budgets import checks  # noqa: F401, PLC0415 - registers the checks
