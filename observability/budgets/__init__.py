"""Query budgets: how many queries a route may run; one number for the tests, development and production.

from observability.budgets import strict

with strict():          # the query that exceeds the budget of its route raises; tests and development only
    client.get("/api/v1/books/")
"""

from observability.budgets.reader import OverBudget, strict

__all__ = ["OverBudget", "strict"]
