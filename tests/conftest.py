"""The test root of the service, the settings, the commands and the docs, with `settings.test`.

`tests/observability` is another test root with other settings. `bin/test` runs both.
"""

collect_ignore = ["observability"]
