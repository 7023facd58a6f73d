"""A process with one configuration of the development tools, for `bin/bench profiler`.

`python -m benchmarks._development CONFIGURATION DIRECTORY` prints `ready`. Then it prints a number for each line on
stdin, in milliseconds:

- `round`: the CPU time of one request, as the mean of several
- `list 500`: the wall time of the page that lists all requests; there must be at least 500
- `request 500`: the wall time of the page of the newest request
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REQUESTS = 20
LIST = "/authors/"
TOOLS = ("observability", "debug_toolbar", "silk")
STOCK_SQL_PANEL = "debug_toolbar.panels.sql.SQLPanel"
TOOLBAR = "debug_toolbar.middleware.DebugToolbarMiddleware"
OBSERVATION = "observability.middleware.ObservationMiddleware"
JSON_PAGE = "observability.profiler.middleware.JsonPageMiddleware"
PROFILE = "observability.profiler.middleware.ProfileMiddleware"
PROFILES = "observability.profiler.reader.ProfileReader"

urlpatterns: list[Any] = []


def show_toolbar(_: object) -> bool:
    """Return True: the condition of the toolbar is not fulfilled in a benchmark."""
    return True


def bare(settings: Any) -> None:  # noqa: ANN401 - Django's settings
    _remove_apps(settings, *TOOLS)
    settings.MIDDLEWARE = []


def observed(settings: Any) -> None:  # noqa: ANN401
    _remove_apps(settings, "debug_toolbar", "silk")
    settings.MIDDLEWARE = [OBSERVATION]
    readers = [reader for reader in settings.OBSERVABILITY["READERS"] if reader != PROFILES]
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"READERS": readers}


def recorded(settings: Any) -> None:  # noqa: ANN401
    _remove_apps(settings, "debug_toolbar", "silk")
    settings.MIDDLEWARE = [OBSERVATION, JSON_PAGE, PROFILE]


def toolbar(settings: Any, store: str = "MemoryStore") -> None:  # noqa: ANN401
    """Configure the toolbar without this project: its middleware, store and those panels that development uses."""
    _remove_apps(settings, "observability", "silk")
    settings.MIDDLEWARE = [TOOLBAR]
    panels = [STOCK_SQL_PANEL if "SQLPanel" in panel else panel for panel in settings.DEBUG_TOOLBAR_PANELS]
    settings.DEBUG_TOOLBAR_PANELS = [panel for panel in panels if not panel.startswith("observability")]
    settings.DEBUG_TOOLBAR_CONFIG = {
        "SHOW_TOOLBAR_CALLBACK": show_toolbar,
        "TOOLBAR_STORE_CLASS": f"debug_toolbar.store.{store}",
        "SHOW_TEMPLATE_CONTEXT": False,
    }


def toolbar_in_database(settings: Any) -> None:  # noqa: ANN401
    toolbar(settings, "DatabaseStore")


def toolbar_and_recorded(settings: Any) -> None:  # noqa: ANN401
    _remove_apps(settings, "silk")
    settings.MIDDLEWARE = [OBSERVATION, "observability.profiler.toolbar.ToolbarMiddleware", JSON_PAGE, PROFILE]


def silk(settings: Any) -> None:  # noqa: ANN401
    """Configure silk without this project; it records each request."""
    _remove_apps(settings, "observability", "debug_toolbar")
    settings.MIDDLEWARE = ["silk.middleware.SilkyMiddleware"]
    settings.SILKY_MIDDLEWARE_CLASS = "silk.middleware.SilkyMiddleware"
    settings.SILKY_AUTHENTICATION = settings.SILKY_AUTHORISATION = False


CONFIGURATIONS: dict[str, Callable[[Any], None]] = {
    each.__name__: each for each in (bare, observed, recorded, toolbar, toolbar_and_recorded, toolbar_in_database, silk)
}


def _remove_apps(settings: Any, *packages: str) -> None:  # noqa: ANN401
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if not app.startswith(packages)]
    settings.DATABASES = {"default": settings.DATABASES["default"]}
    settings.DATABASE_ROUTERS = []


def set_up(configuration: str, directory: Path) -> None:
    """Set up Django with the development settings, changed by the configuration; all files are in the directory."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.probe.settings.development",
        "DATABASE_URL": f"sqlite:///{directory}/db.sqlite3",
        "VAR_DIR": f"{directory}",
        "LOG_DIR": f"{directory}/log",
        "SENTRY_SPOOL_DIR": f"{directory}/sentry-spool",
    }
    import django  # noqa: PLC0415 - the variables come first
    from django.conf import settings  # noqa: PLC0415 - as above

    CONFIGURATIONS[configuration](settings)
    settings.ROOT_URLCONF = __name__
    # The cost of output in the terminal is not measured.
    settings.LOGGING["root"]["handlers"] = [name for name in settings.LOGGING["root"]["handlers"] if name != "console"]
    django.setup()

    from django.core.management import call_command  # noqa: PLC0415
    from django.urls import include, path  # noqa: PLC0415

    from benchmarks._list_view import Authors, fill  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    fill()
    urlpatterns.append(path(LIST.lstrip("/"), Authors.as_view()))
    if PROFILE in settings.MIDDLEWARE:
        urlpatterns.append(path("__debug__/requests/", include("observability.profiler.urls")))
    if "debug_toolbar" in settings.INSTALLED_APPS:
        urlpatterns.append(path("__debug__/", include("debug_toolbar.urls")))


def measure(client: Any, command: str) -> float:  # noqa: ANN401 - Django's test client
    """Return milliseconds for a command of stdin."""
    if command == "round":
        started = time.process_time_ns()
        for _ in range(REQUESTS):
            response = client.get(LIST)
            if len(response.json()) != REQUESTS:
                raise RuntimeError(response.content)
        return (time.process_time_ns() - started) / 1e6 / REQUESTS
    page_name, count = command.split()
    latest = client.get(LIST).headers["X-Profile-URL"]
    address = latest if page_name == "request" else "/__debug__/requests/"
    started = time.perf_counter_ns()
    page = client.get(address, headers={"Accept": "text/html"})
    took_ms = (time.perf_counter_ns() - started) / 1e6
    if page_name == "list" and page.content.count(b'<tr id="request-') < int(count):
        raise RuntimeError(f"the page lists less than {count} requests")
    return took_ms


def run(configuration: str, directory: Path) -> None:
    set_up(configuration, directory)
    from django.test import Client  # noqa: PLC0415

    client = Client(headers={"Accept": "application/json"})
    measure(client, "round")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(f"{measure(client, line.strip())}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]))
