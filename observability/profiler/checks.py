"""System checks: the profiler is not installed in production, and its parts are complete and in order."""

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

# The order in MIDDLEWARE, outermost first, and what is wrong if one stands after the next.
ORDER = {
    TOOLBAR: "the page of a JSON response has no toolbar",
    JSON_PAGE: "profiles show the page of the JSON instead of the JSON",
    PROFILE: "profiles do not link to the record of silk",
    SILK: "",
}


@register("observability")
def check_debug(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """W101: the profiler is installed and DEBUG is off; it shows nothing then."""
    if settings.DEBUG or not apps.is_installed(APP):
        return []
    return [
        Warning(
            f"{APP} is installed, and DEBUG is off.",
            hint="Remove it and its middleware from the settings of this environment: they are for development only.",
            id="observability.W101",
        )
    ]


@register("observability")
def check_order(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """W102: a middleware of the profiler stands before one that has to enclose it."""
    found = [path for path in settings.MIDDLEWARE if path in ORDER]
    expected = [path for path in ORDER if path in found]
    for first, path in zip(expected, found, strict=True):
        if first != path:
            return [
                Warning(
                    f"{first} is too late in MIDDLEWARE: {ORDER[first]}.",
                    hint=f"Put {first!r} before {path!r}.",
                    id="observability.W102",
                )
            ]
    return []


@register("observability")
def check_profiles(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:  # noqa: ARG001
    """W103: some parts that profile requests are installed, and others are missing."""
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
        Warning("Requests are not profiled.", hint=f"Add {'; '.join(missing)}.", id="observability.W103"),
    ]


def _has_urls() -> bool:
    try:
        reverse(REQUEST_LIST)
    except NoReverseMatch:
        return False
    return True
