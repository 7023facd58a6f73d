"""The room of the browser."""

from contextlib import ExitStack

from django.apps import AppConfig
from django.conf import settings

from observability.causes.asked import Place, noted
from observability.causes.cause import places
from observability.observation import current


class BrowserConfig(AppConfig):
    name = "observability.browser"
    label = "observability_browser"

    def ready(self) -> None:
        """Register the checks; in development, let queries of async code have their cause, as long as the process."""
        from observability.browser import checks  # noqa: F401, PLC0415 - registers the checks

        self.process = ExitStack()
        if settings.DEBUG:
            self.process.enter_context(noted(_places))


def _places() -> tuple[Place, ...]:
    """Where the code stands that waits for a thread, in a call that somebody wants to see whole."""
    observation = current()
    return () if observation is None or observation.details is None else places()
