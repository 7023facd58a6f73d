"""Loads the pytest plugins for all tests, also for the `tests.py` of an app."""

pytest_plugins = ["observability.budgets.plugin"]
