"""The Django app `observability.sentry`."""

from django.apps import AppConfig
from django.conf import settings

from observability.sentry.setup import start_sentry


class SentryConfig(AppConfig):
    """Start the SDK in `ready()`: a server forks its workers after it loads the settings and before it loads apps."""

    name = "observability.sentry"
    label = "observability_sentry"

    def ready(self) -> None:
        from observability.sentry import checks  # noqa: F401, PLC0415 - registers the checks

        start_sentry(
            dsn=settings.SENTRY_DSN,
            release=settings.RELEASE,
            environment=settings.ENVIRONMENT,
            traces_sample_rate=settings.SENTRY_TRACES_SAMPLE_RATE,
            with_locals=settings.SENTRY_LOCALS,
            spool_dir=getattr(settings, "SENTRY_SPOOL_DIR", ""),
        )
