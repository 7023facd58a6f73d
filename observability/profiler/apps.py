"""The room of the browser."""

from contextlib import ExitStack

from django.apps import AppConfig
from django.conf import settings

from observability.core.context import current
from observability.recorders.query_origin import CodePosition, find_project_positions, follow_sync_to_async


class BrowserConfig(AppConfig):
    name = "observability.profiler"
    label = "observability_profiler"

    def ready(self) -> None:
        """Register the checks; in development, let queries of async code have their cause, as long as the process."""
        from observability.profiler import checks  # noqa: F401, PLC0415 - registers the checks

        self.process = ExitStack()
        if settings.DEBUG:
            self.process.enter_context(follow_sync_to_async(_places))


def _places() -> tuple[CodePosition, ...]:
    """Where the code stands that waits for a thread, in a call that somebody wants to see whole."""
    observation = current()
    return () if observation is None or observation.timeline is None else find_project_positions()
