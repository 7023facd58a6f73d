"""The test root of the service, its settings, the commands and the docs, under `settings.test`.

`tests/observability` is another test root, with other settings: `bin/test` runs both.
"""

collect_ignore = ["observability"]
