"""The pytest plugin; a project names it by `pytest_plugins = ["observability.budgets.plugin"]` in its conftest.

Under xdist the workers measure, and the controller alone judges and writes.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from observability.budgets.budget_file import BudgetFileError
from observability.budgets.budget_run import BudgetRun
from observability.budgets.failure import MARK, BudgetFailure, colour, explain
from observability.budgets.fixtures import (
    django_assert_constant_queries,
    django_assert_query_budget,
    django_query_recorder,
    run_key,
)
from observability.budgets.markers import Limit, LimitError, limit_of
from observability.budgets.measured import Measurements
from observability.budgets.report import SUFFIXES, write_report
from observability.budgets.selection import INI, Selection
from observability.budgets.verdict import Finding, Run

__all__ = ["django_assert_constant_queries", "django_assert_query_budget", "django_query_recorder"]

MODES = ("check", "record", "off")
# What a worker of xdist sends: its measurements, and whether it left out a test of the budget file.
MEASUREMENTS, IS_PARTIAL = "query_budgets", "query_budgets_is_partial"
TITLE = "query budget: "

selection_key = pytest.StashKey[Selection]()
summary_key = pytest.StashKey[list[str]]()
# What is wrong with the marks of a test.
problem_key = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("query budgets")
    group.addoption(
        "--query-budget", choices=MODES, default="check", help="compare the tests' requests with the budget file, "
        "record it, or do neither (default: check)"
    )  # fmt: skip
    group.addoption(
        "--query-budget-prune", action="store_true", help="record: drop what no test measures any more (full runs)"
    )
    group.addoption("--query-budget-reason", metavar="WHY", default="", help="record: why budgets are raised")
    group.addoption("--query-budget-report", metavar="FILE", help="write what was measured as FILE.md or FILE.json")
    group.addoption(
        "--query-budget-require-routes", action="store_true", help="fail where a route is not measured by any test, "
        "or not known to be constant (full runs)"
    )  # fmt: skip
    parser.addini("query_budget_command", "how the tests are started, as failures tell it", default="pytest")
    parser.addini(
        INI, "the tests that the budget file is about: files and directories, relative to the rootdir (default: "
        "testpaths, or the rootdir)", type="args"
    )  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "query_budget(max=None, exact=None, using='__all__', allow=(), reason=''): hold each request of the test to "
        "this budget instead of the file's; statements that contain a text of `allow` do not count",
    )
    config.addinivalue_line("markers", "no_query_budget(reason): do not measure the requests of the test")
    mode = config.getoption("--query-budget")
    for option in ("--query-budget-reason", "--query-budget-prune"):
        if config.getoption(option) and mode != "record":
            raise pytest.UsageError(f"{option} is for recording: add --query-budget=record")
    report = config.getoption("--query-budget-report")
    if report and Path(report).suffix not in SUFFIXES:
        raise pytest.UsageError(f"--query-budget-report={report}: a file that ends in {' or '.join(SUFFIXES)}")
    config.stash[selection_key] = Selection(config)
    try:
        config.stash[run_key] = BudgetRun(mode, config.rootpath)
    except BudgetFileError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[summary_key] = []


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash.get(run_key, None)
    if run is not None:
        run.close()


# The selection of tests


def pytest_itemcollected(item: pytest.Item) -> None:
    item.config.stash[selection_key].collected(item)


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[selection_key].selected(session.items)


# A test


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    is_measured = item.get_closest_marker("no_query_budget") is None
    limit, problem = _limit_of(item)
    item.stash[problem_key] = problem
    is_recorded = item.config.stash[selection_key].includes(item)
    with item.config.stash[run_key].running(item.nodeid, limit, is_measured=is_measured, is_recorded=is_recorded):
        return (yield)


def _limit_of(item: pytest.Item) -> tuple[Limit, str]:
    """What the marks of a test say, and what is wrong with them."""
    try:
        return limit_of(item), ""
    except LimitError as error:
        return Limit(), str(error)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.stash[problem_key]:
        pytest.fail(item.stash[problem_key], pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    broken = item.config.stash[run_key].broken
    if broken:
        raise BudgetFailure("\n\n".join(broken))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo is not None:
        explain(report, call.excinfo.value)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    colour(report)


# The run


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    result = yield
    config = session.config
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        _finish(session, config.stash[run_key])
    return result


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput[MEASUREMENTS] = config.stash[run_key].measurements.to_json()
        config.workeroutput[IS_PARTIAL] = config.stash[selection_key].is_partial


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:  # noqa: ANN401, ARG001 - xdist's
    sent = getattr(node, "workeroutput", {})
    if MEASUREMENTS in sent:
        measurements = Measurements.from_json(sent[MEASUREMENTS])
        node.config.stash[run_key].measurements.update_from(measurements.items())
    # A worker that crashed sends nothing.
    if sent.get(IS_PARTIAL, True):
        node.config.stash[selection_key].is_partial = True


def _finish(session: pytest.Session, run: BudgetRun) -> None:
    config = session.config
    if run.mode == "off":
        return
    kind = Run(
        is_full=config.stash[selection_key].is_full,
        is_clean=session.testsfailed == 0,
        command=config.getini("query_budget_command"),
        file=_relative(run.path, config),
    )
    require_routes = config.getoption("--query-budget-require-routes")
    try:
        found = _recorded(config, run, kind) if run.mode == "record" else []
        found = found or run.verdict(kind, require_routes=require_routes)
    except BudgetFileError as error:
        raise pytest.UsageError(str(error)) from None
    _write_report(config, run, found)
    # They are failures beside the tests: the progress of the run counts them too.
    session.testscollected += len(found)
    for each in found:
        session.config.hook.pytest_runtest_logreport(report=_as_report(each, kind))


def _recorded(config: pytest.Config, run: BudgetRun, kind: Run) -> list[Finding]:
    reason, prune = config.getoption("--query-budget-reason"), config.getoption("--query-budget-prune")
    is_changed, refused = run.record(kind, reason=reason, prune=prune)
    number = len(run.measurements)
    written = "written" if is_changed else "unchanged"
    lines = [f"{kind.file} {written}: {number} {'route' if number == 1 else 'routes'} measured"]
    if not kind.is_clean:
        lines.append("a test failed: nothing was added, lowered or dropped")
    elif not kind.is_full:
        lines.append("a part of the tests ran: nothing was lowered or dropped")
    config.stash[summary_key] += lines
    return refused


def _write_report(config: pytest.Config, run: BudgetRun, found: list[Finding]) -> None:
    report = config.getoption("--query-budget-report")
    if not report:
        return
    try:
        write_report(Path(report), run.budgets, run.measurements, found)
    except OSError as error:
        raise pytest.UsageError(f"--query-budget-report={report} cannot be written: {error}") from None


def _as_report(finding: Finding, kind: Run) -> pytest.TestReport:
    """A broken budget is a failure like that of a test, for the terminal and for JUnit XML."""
    node = f"{kind.file}::{finding.key}"
    location = (kind.file, None, finding.key)
    report = pytest.TestReport(node, location, {}, "failed", finding.text, "call")
    vars(report)[MARK] = True
    return report


def _relative(path: Path, config: pytest.Config) -> str:
    return str(path.relative_to(config.rootpath) if path.is_relative_to(config.rootpath) else path)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:  # noqa: ANN401 - it has no public type
    for line in config.stash.get(summary_key, []):
        terminalreporter.write_line(f"{TITLE}{line}")
