"""System checks: the profiler is not installed in production, and its parts are complete and in the right order."""

from collections.abc import Sequence

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004
from django.urls import NoReverseMatch, reverse

from observability.conf import configuration
from observability.profiler.links import REQUEST_LIST

APP = "observability.profiler"
TOOLBAR = "observability.profiler.toolbar.ToolbarMiddleware"
JSON_PAGE = "observability.profiler.middleware.JsonPageMiddleware"
PROFILE = "observability.profiler.middleware.ProfileMiddleware"
SILK = "observability.profiler.silk.SilkMiddleware"
READER = "observability.profiler.reader.ProfileReader"
STORE = "observability.profiler.toolbar.ProfileToolbarStore"
URLS = "observability.profiler.urls"

# The required order in MIDDLEWARE, outermost first. The text is the problem if an entry comes after the next one.
ORDER = {
    TOOLBAR: "the pages of JSON responses have no toolbar",
    JSON_PAGE: "profiles contain the HTML page instead of the JSON",
    PROFILE: "profiles have no link to the silk record",
    SILK: "",
}


@register("observability")
def check_debug(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """Warn (W101) if the profiler is installed and DEBUG is off: it shows nothing in this case."""
    if settings.DEBUG or not apps.is_installed(APP):
        return []
    return [
        Warning(
            f"{APP} is installed, but DEBUG is off.",
            hint="It is for development only: remove it and its middleware from the settings of this environment.",
            id="observability.W101",
        )
    ]


@register("observability")
def check_order(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """Warn (W102) if the middleware classes of the profiler are in the wrong order."""
    found = [path for path in settings.MIDDLEWARE if path in ORDER]
    expected = [path for path in ORDER if path in found]
    for first, path in zip(expected, found, strict=True):
        if first != path:
            return [
                Warning(
                    f"{first} is in the wrong place in MIDDLEWARE: {ORDER[first]}.",
                    hint=f"Move {first!r} before {path!r}.",
                    id="observability.W102",
                )
            ]
    return []


@register("observability")
def check_profiles(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """Warn (W103) if only some of the parts that profile requests are installed."""
    if not (settings.DEBUG and apps.is_installed(APP)):
        return []
    store = getattr(settings, "DEBUG_TOOLBAR_CONFIG", {}).get("TOOLBAR_STORE_CLASS")
    parts = {
        f"{PROFILE!r} to MIDDLEWARE": PROFILE in settings.MIDDLEWARE,
        f"{READER!r} to OBSERVABILITY['READERS'], as the last one": READER in configuration().readers,
        f"path('__debug__/requests/', include('{URLS}')) to the URLs": _has_urls(),
    }
    missing = [part for part, is_installed in parts.items() if not is_installed]
    if not missing or (len(missing) == len(parts) and store != STORE):
        return []
    return [
        Warning(
            "Requests are not profiled, because a part of the profiler is missing.",
            hint=f"Add {'; '.join(missing)}.",
            id="observability.W103",
        ),
    ]


def _has_urls() -> bool:
    try:
        reverse(REQUEST_LIST)
    except NoReverseMatch:
        return False
    return True
