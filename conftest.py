"""The plugins of all tests but those of `tests/observability`, which is a test root of its own."""

pytest_plugins = ["observability.budgets.plugin", "tests.plugin"]
