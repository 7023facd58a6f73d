"""Query budgets: the maximum number of queries of each route, checked in tests, in development and in production.

from observability.budgets import strict

with strict():          # a query that exceeds the budget of its route raises OverBudget; tests and development only
    client.get("/api/v1/books/")
"""

from observability.budgets.reader import OverBudget, strict

__all__ = ["OverBudget", "strict"]
