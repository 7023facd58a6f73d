"""The test root of the service, its settings, the commands and the docs, under `settings.test`.

`tests/observability` is a test root of its own, with other settings: `bin/test` runs both.
"""

pytest_plugins = ["observability.budgets.plugin", "tests.plugin"]

collect_ignore = ["observability"]
