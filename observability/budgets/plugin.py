"""The pytest plugin: options, hooks and fixtures. A project loads it in its conftest.py:

    pytest_plugins = ["observability.budgets.plugin"]

Under xdist the workers measure the requests. Only the controller reads and writes the budget file.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Protocol

import pytest
from django.core.exceptions import ImproperlyConfigured

from observability.budgets.budget_file import BudgetFileError
from observability.budgets.budget_run import INI, BudgetRun, Selection
from observability.budgets.failure_message import REPORT_ATTRIBUTE, BudgetFailure, enable_colors, mark_report
from observability.budgets.fixtures import (
    django_assert_constant_queries,
    django_assert_query_budget,
    django_query_collector,
    run_key,
)
from observability.budgets.markers import LimitError, QueryLimit, find_limit
from observability.budgets.report import SUFFIXES, write_report
from observability.budgets.verdict import Measurements, Problem, RunResult
from observability.text import format_count

__all__ = ["django_assert_constant_queries", "django_assert_query_budget", "django_query_collector"]

MODES = ("check", "record", "off")
# The keys of the data that a worker of xdist sends: its measurements, and whether it left out a test below the roots.
MEASUREMENTS, IS_PARTIAL = "query_budgets", "query_budgets_is_partial"
TITLE = "query budget: "

selection_key = pytest.StashKey[Selection]()
summary_key = pytest.StashKey[list[str]]()
# The error in the markers of a test; "" if they are valid.
marker_error_key = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("query budgets")
    group.addoption(
        "--query-budget", choices=MODES, default="check", help="check: fail if a request exceeds the budget of its "
        "route (default). record: write the budget file. off: do not measure requests"
    )  # fmt: skip
    group.addoption(
        "--query-budget-prune", action="store_true", help="with --query-budget=record, in a run of all tests: remove "
        "the budgets of routes that no test measures, and `constant` marks that no test verifies"
    )  # fmt: skip
    group.addoption(
        "--query-budget-reason", metavar="WHY", default="", help="with --query-budget=record: the reason for budgets "
        "that are raised; it is written to the file"
    )  # fmt: skip
    group.addoption(
        "--query-budget-report", metavar="FILE", help="write the measurements and problems to FILE; its name must end "
        "with .md or .json"
    )  # fmt: skip
    group.addoption(
        "--query-budget-require-routes", action="store_true", help="in a run of all tests: fail if a route is not "
        "measured by any test, or if no test verifies that its number of queries is constant"
    )  # fmt: skip
    parser.addini("query_budget_command", "the command that runs the tests, for failure messages", default="pytest")
    parser.addini(
        INI, "the tests that the budget file covers: files and directories, relative to the rootdir (default: "
        "testpaths, or the rootdir)", type="args"
    )  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "query_budget(max=None, exact=None, using='__all__', allow=(), reason=''): limit each request of the test to "
        "`max` or `exact` queries instead of the budget in the file; statements that contain a text of `allow` do not "
        "count",
    )
    config.addinivalue_line("markers", "no_query_budget(reason): do not measure the requests of the test")
    mode = config.getoption("--query-budget")
    for option in ("--query-budget-reason", "--query-budget-prune"):
        if config.getoption(option) and mode != "record":
            raise pytest.UsageError(f"{option} has no effect without --query-budget=record. Add that option")
    report = config.getoption("--query-budget-report")
    if report and Path(report).suffix not in SUFFIXES:
        raise pytest.UsageError(
            f"--query-budget-report is {report!r}. Allowed: a name that ends with {' or '.join(SUFFIXES)}"
        )
    config.stash[selection_key] = Selection(config)
    try:
        config.stash[run_key] = BudgetRun(mode, config.rootpath)
    except BudgetFileError as error:
        raise pytest.UsageError(str(error)) from None
    except ImproperlyConfigured as error:
        message = (
            f"the query budgets need Django's settings: set DJANGO_SETTINGS_MODULE. {' '.join(str(error).split())}"
        )
        raise pytest.UsageError(message) from None
    config.stash[summary_key] = []


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash.get(run_key, None)
    if run is not None:
        run.close()


def pytest_itemcollected(item: pytest.Item) -> None:
    item.config.stash[selection_key].add_collected(item)


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[selection_key].set_selected(session.items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    run, selection = item.config.stash[run_key], item.config.stash[selection_key]
    is_measured = item.get_closest_marker("no_query_budget") is None
    limit, item.stash[marker_error_key] = _parse_markers(item)
    with run.measure_test(item.nodeid, limit, is_measured=is_measured, is_in_scope=selection.includes(item)):
        return (yield)


def _parse_markers(item: pytest.Item) -> tuple[QueryLimit, str]:
    """Return the limit that the markers of a test set, and the error in the markers ("" if they are valid)."""
    try:
        return find_limit(item), ""
    except LimitError as error:
        return QueryLimit(), str(error)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.stash[marker_error_key]:
        pytest.fail(item.stash[marker_error_key], pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    violations = item.config.stash[run_key].violations
    if violations:
        raise BudgetFailure("\n\n".join(violations))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo is not None:
        mark_report(report, call.excinfo.value)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    enable_colors(report)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    result = yield
    config = session.config
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        _finish_run(session, config.stash[run_key])
    return result


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput[MEASUREMENTS] = config.stash[run_key].measurements.to_json()
        config.workeroutput[IS_PARTIAL] = config.stash[selection_key].is_partial


class _Worker(Protocol):
    """The used part of a worker of xdist."""

    config: pytest.Config


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: _Worker, error: object) -> None:  # noqa: ARG001 - the signature of xdist
    sent = getattr(node, "workeroutput", {})
    if MEASUREMENTS in sent:
        measurements = Measurements.from_json(sent[MEASUREMENTS])
        node.config.stash[run_key].measurements.add_all(measurements.items())
    # A worker that crashed sends nothing.
    if sent.get(IS_PARTIAL, True):
        node.config.stash[selection_key].is_partial = True


def _finish_run(session: pytest.Session, run: BudgetRun) -> None:
    config = session.config
    if run.mode == "off":
        return
    result = RunResult(
        is_full=config.stash[selection_key].is_full,
        has_passed=session.testsfailed == 0,
        command=config.getini("query_budget_command"),
        file=_relative(run.path, config),
    )
    require_routes = config.getoption("--query-budget-require-routes")
    try:
        problems = _record(config, run, result) if run.mode == "record" else []
        problems = problems or run.find_problems(result, require_routes=require_routes)
    except BudgetFileError as error:
        raise pytest.UsageError(str(error)) from None
    _write_report(config, run, problems)
    # Problems are reported like failed tests, so pytest's progress has to count them too.
    session.testscollected += len(problems)
    for problem in problems:
        session.config.hook.pytest_runtest_logreport(report=_to_report(problem, result))


def _record(config: pytest.Config, run: BudgetRun, result: RunResult) -> list[Problem]:
    """Write the budget file, add lines to the terminal summary, and return the raised budgets that were refused."""
    reason, prune = config.getoption("--query-budget-reason"), config.getoption("--query-budget-prune")
    recorded = run.record(result, reason=reason, prune=prune)
    written = "written" if recorded.is_changed else "unchanged"
    lines = [f"{result.file} {written}: {format_count(len(run.measurements), 'route')} measured"]
    lines += [f"raised {each}" for each in recorded.raised]
    if not result.has_passed:
        lines.append("a test failed: no budget was added, lowered or removed")
    elif not result.is_full:
        lines.append("not all tests ran: no budget was lowered or removed")
    config.stash[summary_key] += lines
    return recorded.refused


def _write_report(config: pytest.Config, run: BudgetRun, problems: list[Problem]) -> None:
    report = config.getoption("--query-budget-report")
    if not report:
        return
    try:
        write_report(Path(report), run.budgets, run.measurements, problems)
    except OSError as error:
        raise pytest.UsageError(f"--query-budget-report={report} cannot be written: {error}") from None


def _to_report(problem: Problem, result: RunResult) -> pytest.TestReport:
    """Return the report of a failed test for a problem, so that the terminal and JUnit XML show it."""
    node = f"{result.file}::{problem.key}"
    location = (result.file, None, problem.key)
    report = pytest.TestReport(node, location, {}, "failed", problem.text, "call")
    vars(report)[REPORT_ATTRIBUTE] = True
    return report


def _relative(path: Path, config: pytest.Config) -> str:
    return str(path.relative_to(config.rootpath) if path.is_relative_to(config.rootpath) else path)


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter", config: pytest.Config) -> None:
    for line in config.stash.get(summary_key, []):
        terminalreporter.write_line(f"{TITLE}{line}")
