"""The Django app of the profiler."""

from contextlib import ExitStack

from django.apps import AppConfig
from django.conf import settings

from observability.core.context import current
from observability.recorders.query_origin import CodePosition, find_project_positions, follow_sync_to_async


class ProfilerConfig(AppConfig):
    name = "observability.profiler"
    label = "observability_profiler"

    def ready(self) -> None:
        """Register the checks. In development, also let async code report the origin of its queries."""
        from observability.profiler import checks  # noqa: F401, PLC0415 - registers the checks

        self.process = ExitStack()
        if settings.DEBUG:
            self.process.enter_context(follow_sync_to_async(_caller_positions))


def _caller_positions() -> tuple[CodePosition, ...]:
    """Return the position of the code that waits for a thread, if its request is profiled; else nothing."""
    observation = current()
    return () if observation is None or observation.timeline is None else find_project_positions()
