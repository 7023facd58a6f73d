"""One run of pytest: the tests that it includes, its measurements, and the budget file that it checks or records."""

import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from django.conf import settings

from observability.budgets.budget_file import CONSTANT, Budgets, budget_path, load_budgets, save_budgets
from observability.budgets.failure_message import format_over_budget
from observability.budgets.markers import QueryLimit
from observability.budgets.query_collector import CollectedQueries, QueryCollector
from observability.budgets.routes import find_routes, route_key
from observability.budgets.verdict import (
    Measurement,
    Measurements,
    Problem,
    RunResult,
    find_problems,
    find_raised,
    update_budgets,
)
from observability.core.observation import Observation
from observability.core.readers import readers
from observability.recorders import query_origin
from observability.recorders.query_origin import follow_sync_to_async

Mode = Literal["check", "record", "off"]
INI = "query_budget_tests"
METHOD_NOT_ALLOWED = 405
SERVER_ERROR = 500


class Recorded(NamedTuple):
    """What a recording run did: `raised` has a text for each raised budget, `refused` those without a reason."""

    is_changed: bool
    raised: list[str]
    refused: list[Problem]


class BudgetRun:
    """Measure the requests of each test. The plugin creates it when pytest starts, and closes it when pytest ends.

    `violations` has a message for each request of the current test that exceeds the limit of its markers.
    """

    def __init__(self, mode: Mode, root: Path) -> None:
        query_origin.set_code_root(root)
        self.mode = mode
        self.collector = QueryCollector(self._measure_request)
        self.measurements = Measurements()
        self.urlconf = getattr(settings, "ROOT_URLCONF", None)
        self.path = budget_path(root)
        self.budgets: Budgets = {} if mode == "off" else load_budgets(self.path)
        self.violations: list[str] = []
        self._test = ""
        self._is_in_scope = True
        self._limit = QueryLimit()
        self._stack = ExitStack()
        self._stack.enter_context(readers.added(self.collector))
        self._stack.enter_context(follow_sync_to_async(query_origin.find_project_positions))

    def close(self) -> None:
        self._stack.close()

    @contextmanager
    def measure_test(self, test: str, limit: QueryLimit, *, is_measured: bool, is_in_scope: bool) -> Iterator[None]:
        """Measure the requests of the block as requests of this test.

        `is_in_scope` says whether the test is below the roots of the budget file (see `Selection`).
        """
        self._test, self._limit, self._is_in_scope = test, limit, is_in_scope
        self.violations = []
        self.collector.is_measuring = is_measured and self.mode != "off"
        try:
            yield
        finally:
            self.collector.is_measuring = False

    def _measure_request(self, observation: Observation, collected: CollectedQueries) -> None:
        http = observation.http
        # The requests of a test with its own URLconf are not requests of the project's routes.
        if http is None or self.urlconf != getattr(settings, "ROOT_URLCONF", None):
            return
        if http.status_code == METHOD_NOT_ALLOWED or http.method in ("OPTIONS", "TRACE"):
            return
        key = route_key(http)
        if self._limit.replaces_file_budget:
            self._check_limit(key, collected)
        elif (http.status_code or SERVER_ERROR) < SERVER_ERROR:
            budget = self.budgets.get(key)
            is_over = budget is not None and budget.maximum is not None and collected.count > budget.maximum
            # Tests outside of the roots must not change the file.
            if not self._is_in_scope and (self.mode == "record" or not is_over):
                return
            exceeded, allow = budget if is_over else None, self._limit.allow
            self.measurements.add(key, Measurement.of(collected, test=self._test, exceeded=exceeded, allow=allow))

    def _check_limit(self, key: str, collected: CollectedQueries) -> None:
        """Compare a request with the limit of its test's markers."""
        limited = collected.in_databases(self._limit.using).without(self._limit.allow)
        excess = self._limit.describe_excess(limited)
        if excess:
            self.violations.append("\n".join(format_over_budget(f"{key} runs {excess}", limited, {})))

    def mark_constant(self, keys: list[str]) -> None:
        """Record that a test verified these routes: they run the same number of queries for any number of rows."""
        for key in keys:
            if key in self.measurements and self._is_in_scope:
                self.measurements[key] = replace(self.measurements[key], scale=CONSTANT)

    def find_problems(self, result: RunResult, *, require_routes: bool) -> list[Problem]:
        required = find_routes(self.urlconf) if require_routes and result.is_full else None
        return find_problems(self.budgets, self.measurements, result, required)

    def record(self, result: RunResult, *, reason: str, prune: bool) -> Recorded:
        """Write the budget file."""
        updated, refused = update_budgets(self.budgets, self.measurements, result, reason=reason, prune=prune)
        raised = list(find_raised(self.budgets, updated))
        is_changed = save_budgets(self.path, updated)
        self.budgets = updated
        return Recorded(is_changed, raised, refused)


class Selection:
    """The tests that the budget file covers, and whether this run includes all of them (a full run).

    The file covers the tests below the roots. The roots are the paths of `query_budget_tests` in pytest's
    configuration, or of `testpaths` if that is not set, or else the rootdir. Only a full run can decide that a route is
    not measured by any test.

    The plugin creates it when pytest starts, and passes each collected test and then the selected tests. Under xdist
    the workers collect the tests; the controller gets the information if a worker left out a test.
    """

    def __init__(self, config: pytest.Config) -> None:
        """Raise `pytest.UsageError` if a path of `query_budget_tests` does not exist."""
        self.config = config
        self.roots = tuple(_find_roots(config))
        self.is_partial = False
        self._collected: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Whether each test below the roots was collected and selected."""
        return not (
            self.is_partial
            # With --lf, pytest does not collect files without a failure in the last run.
            or getattr(self.config.option, "lf", False)
            or not all(_is_below(root, self._argument_paths()) for root in self.roots)
            or any(map(self._is_ignored, self.roots))
        )

    def includes(self, item: pytest.Item) -> bool:
        """Whether the test is below a root."""
        return _is_below(item.path, self.roots)

    def add_collected(self, item: pytest.Item) -> None:
        if self.includes(item):
            self._collected.add(item.nodeid)

    def set_selected(self, items: Iterable[pytest.Item]) -> None:
        """Find out whether pytest or any plugin deselected a collected test."""
        if self._collected - {item.nodeid for item in items}:
            self.is_partial = True

    def _argument_paths(self) -> tuple[Path, ...]:
        """Return the paths of the command line, or the default paths. A part of a file (`file::test`) is left out."""
        whole = [argument for argument in self.config.args if "::" not in argument]
        return tuple(self.config.invocation_params.dir / argument for argument in whole)

    def _is_ignored(self, root: Path) -> bool:
        """Whether `--ignore` or `--ignore-glob` matches the root, a path below it or a directory above it."""
        ignored = [Path(path).absolute() for path in self.config.getoption("ignore") or ()]
        if any(_is_below(path, (root,)) or _is_below(root, (path,)) for path in ignored):
            return True
        patterns = [os.path.abspath(pattern) for pattern in self.config.getoption("ignore_glob") or ()]  # noqa: PTH100 - a pattern is not a path
        paths = (root, *root.parents, *root.rglob("*")) if patterns else ()
        return any(fnmatch(str(path), pattern) for path in paths for pattern in patterns)


def _find_roots(config: pytest.Config) -> Iterator[Path]:
    for name in config.getini(INI):
        if not glob.has_magic(name) and not (config.rootpath / name).exists():
            raise pytest.UsageError(
                f"{INI} in pytest's configuration contains {name!r}, which does not exist in {config.rootpath}. "
                "Correct the path, or remove it"
            )
    # Expand patterns as pytest does for `testpaths`.
    patterns = [str(config.rootpath / pattern) for pattern in config.getini(INI) or config.getini("testpaths")]
    found = [Path(path) for pattern in patterns for path in sorted(glob.iglob(pattern, recursive=True))]  # noqa: PTH207 - patterns may be absolute
    yield from found or [config.rootpath]


@lru_cache(maxsize=1024)
def _is_below(path: Path, roots: tuple[Path, ...]) -> bool:
    """Whether a path is one of the roots, or below one of them."""
    return any(path.resolve().is_relative_to(root.resolve()) for root in roots)
