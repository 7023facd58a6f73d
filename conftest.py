"""Pytest plugins of all tests except `tests/observability`, which is a separate test root."""

pytest_plugins = ["observability.budgets.plugin", "tests.plugin"]
