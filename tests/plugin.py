"""The pytest plugin of all tests: markers, optional parts, and servers that the tests of a session share.

`conftest.py` (tests of the service, the settings, the commands and the docs) and `tests/observability/conftest.py`
(tests of the layer) load it. There are two test roots, because they have different Django settings.
"""

import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection
from hypothesis import HealthCheck, settings

from tests.bugsink import Bugsink, Project
from tests.bugsink import bugsink as own_bugsink
from tests.databases import server_cursor
from tests.parts import missing
from tests.server import Servers

MARKERS = (
    "server: starts a real server process",
    "browser: needs Chromium",
    "external(*parts): needs programs or servers that are not Python packages; parts are names in tests/parts.py",
    "slow: takes a long time, or starts many processes",
    "database: depends on the database; `bin/test --all` also runs it on PostgreSQL and MariaDB",
)
# `bin/test` leaves out tests with these markers if nothing selects them.
LEFT_OUT_MARKERS = ("browser", "external", "slow")
OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed")

LEFT_OUT = "left_out"
left_out_key = pytest.StashKey[dict[str, int]]()

# A test that uses one of these fixtures gets the marker.
MARKERS_OF_FIXTURES = {
    "browser": pytest.mark.browser,
    "bugsink": pytest.mark.external("bugsink"),
    "servers": pytest.mark.server,
    "db": pytest.mark.database,
    "transactional_db": pytest.mark.database,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-parts", action="store_true", help="fail a test if an optional part is missing")
    parser.addoption("--summary-file", metavar="FILE", help="write the number of tests by outcome, as JSON")


# A slow machine must not fail a test, so neither an example nor the generation of examples has a time limit. The
# examples are the same in each run, so that only a change of the code fails a run; `explore` generates new ones.
LIMITS: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same examples", derandomize=True, **LIMITS)
settings.register_profile("explore", max_examples=2_000, **LIMITS)


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("same examples")
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[left_out_key] = {}
    _require_database()


def _require_database() -> None:
    """Stop the session with one message if the database server is not available: all tests would fail."""
    if connection.vendor == "sqlite":
        return
    try:
        with connection.wrap_database_errors, server_cursor():
            pass
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        message = f"cannot connect to the {connection.vendor} server of DATABASE_URL: {reason}"
        raise pytest.UsageError(message) from None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Add markers for fixtures before `-m` selects tests, then sort slow files first."""
    for item in items:
        for fixture, marker in MARKERS_OF_FIXTURES.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
        # pytest-django's marker requests its fixtures only when the test runs.
        if item.get_closest_marker("django_db"):
            item.add_marker(pytest.mark.database)
    yield
    # If a slow file came last, one worker would run it and the others would wait.
    slow = {item.path for item in items if any(map(item.get_closest_marker, LEFT_OUT_MARKERS))}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test if its part is missing; with --require-parts fail it."""
    parts = [name for marker in item.iter_markers("external") for name in marker.args]
    parts += ["chromium" for _ in item.iter_markers("browser")]
    for reason in filter(None, map(missing, parts)):
        (pytest.fail if item.config.getoption("--require-parts") else pytest.skip)(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remove the captured log from failure reports: access log lines hide the useful output."""
    report = yield
    report.sections = [section for section in report.sections if not section[0].startswith("Captured log")]
    return report


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Return servers of the probe project that all tests of a process share; each test reads only its own requests."""
    shared = Servers(tmp_path_factory.mktemp("servers"))
    with shared.stack:
        yield shared


@pytest.fixture(scope="session")
def shared_bugsink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bugsink]:
    """Run a real server with Sentry's protocol, which all tests of a process share."""
    with own_bugsink(tmp_path_factory.mktemp("bugsink")) as server:
        yield server


@pytest.fixture(scope="module")
def bugsink(shared_bugsink: Bugsink) -> Project:
    """Return a project of the shared Bugsink for the tests of one module."""
    return shared_bugsink.new_project()


# The summary for bin/run_tests.py


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count deselected tests by their first marker in LEFT_OUT_MARKERS."""
    for item in items:
        marker = next((name for name in LEFT_OUT_MARKERS if item.get_closest_marker(name)), None)
        if marker is not None:
            counts = item.config.stash[left_out_key]
            counts[marker] = counts.get(marker, 0) + 1


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput[LEFT_OUT] = config.stash[left_out_key]
        return
    file = config.getoption("--summary-file")
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if file and reporter is not None:
        outcomes = {name: len(reporter.stats.get(name, ())) for name in OUTCOMES}
        Path(file).write_text(json.dumps({"outcomes": outcomes, LEFT_OUT: config.stash[left_out_key]}))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    # All workers collect and deselect the same tests.
    sent = getattr(node, "workeroutput", {}).get(LEFT_OUT)
    if sent:
        node.config.stash[left_out_key] = dict(sent)
