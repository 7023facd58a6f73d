"""One run of the tests: what it measures of each request, and what it does with the budget file at its end."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from django.conf import settings

from observability.budgets.budget_file import CONSTANT, Budgets, load, save
from observability.budgets.failure_message import over_budget
from observability.budgets.location import budget_path
from observability.budgets.markers import Limit
from observability.budgets.measured import Measurements, measured
from observability.budgets.query_collector import Recorder, Recording, key_of
from observability.budgets.routes import routes
from observability.budgets.verdict import Finding, Run, findings, recorded
from observability.core.observation import Observation
from observability.core.readers import readers
from observability.recorders import query_origin
from observability.recorders.query_origin import follow_sync_to_async

Mode = Literal["check", "record", "off"]
METHOD_NOT_ALLOWED = 405
SERVER_ERROR = 500


class BudgetRun:
    """Made when the tests start; `plugin.py` tells it which test runs, and asks for the verdict at the end."""

    def __init__(self, mode: Mode, root: Path) -> None:
        query_origin.set_code_root(root)
        self.mode = mode
        self.root = root
        self.recorder = Recorder(self._request_ended)
        self.measurements = Measurements()
        self.urlconf = getattr(settings, "ROOT_URLCONF", None)
        self.path = budget_path(root)
        self.budgets: Budgets = {} if mode == "off" else load(self.path)
        self.test = ""
        self.is_recorded = True
        self.limit = Limit()
        self.broken: list[str] = []
        self._reading = ExitStack()
        self._reading.enter_context(readers.added(self.recorder))
        self._reading.enter_context(follow_sync_to_async(query_origin.find_project_positions))

    def close(self) -> None:
        self._reading.close()

    @contextmanager
    def running(self, test: str, limit: Limit, *, is_measured: bool, is_recorded: bool) -> Iterator[None]:
        """Attribute the requests until the block ends to this test; `is_recorded` if the budget file is about it."""
        self.test, self.limit, self.broken = test, limit, []
        self.is_recorded = is_recorded
        self.recorder.is_measuring = is_measured and self.mode != "off"
        try:
            yield
        finally:
            self.recorder.is_measuring = False

    def _request_ended(self, observation: Observation, recording: Recording) -> None:
        http = observation.http
        # Tests with addresses of their own measure nothing of the project's.
        if http is None or self.urlconf != getattr(settings, "ROOT_URLCONF", None):
            return
        if http.status_code == METHOD_NOT_ALLOWED or http.method in ("OPTIONS", "TRACE"):
            return
        key = key_of(http)
        if self.limit.is_own:
            self._hold(key, recording)
        elif (http.status_code or SERVER_ERROR) < SERVER_ERROR:
            budget = self.budgets.get(key)
            is_over = budget is not None and budget.maximum is not None and recording.count > budget.maximum
            # The file has to be the same with and without the tests that it is not about.
            if not self.is_recorded and (self.mode == "record" or not is_over):
                return
            known = budget.counted if budget is not None and is_over else None
            self.measurements.add(key, measured(recording, test=self.test, known=known, allow=self.limit.allow))

    def _hold(self, key: str, recording: Recording) -> None:
        """Compare a request with the budget that its test gives it."""
        allow = self.limit.allow
        kept = recording.in_databases(self.limit.using)
        kept = kept.only(lambda query: not any(text in query.summary for text in allow))
        problem = self.limit.broken_by(kept)
        if problem:
            self.broken.append("\n".join(over_budget(f"{key} runs {problem}", kept, {})))

    def proved_constant(self, keys: list[str]) -> None:
        """A test proved the count of these routes to be the same for any number of rows."""
        for key in keys:
            if key in self.measurements and self.is_recorded:
                self.measurements[key] = replace(self.measurements[key], scale=CONSTANT)

    def verdict(self, run: Run, *, require_routes: bool) -> list[Finding]:
        required = routes(self.urlconf) if require_routes and run.is_full else None
        return findings(self.budgets, self.measurements, run, required)

    def record(self, run: Run, *, reason: str, prune: bool) -> tuple[bool, list[Finding]]:
        """Write the budget file; whether it changed, and what was not recorded."""
        kept, refused = recorded(self.budgets, self.measurements, run, reason=reason, prune=prune)
        is_changed = save(self.path, kept)
        self.budgets = kept
        return is_changed, refused
