"""System checks of the room: that it is not served to the public, and that its parts are there and in order."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004
from django.urls import NoReverseMatch, reverse

from observability.conf import configuration
from observability.profiler.addresses import REQUESTS

ROOM = "observability.profiler"
TOOLBAR = "observability.profiler.toolbar.ToolbarMiddleware"
JSON_PAGE = "observability.profiler.json_page.middleware.JsonPageMiddleware"
PROFILE = "observability.profiler.profiles.middleware.ProfileMiddleware"
SILK = "observability.profiler.silk.SilkMiddleware"
READER = "observability.profiler.profiles.reader.Profiles"
STORE = "observability.profiler.toolbar.ProfileToolbarStore"
URLS = "observability.profiler.pages.urls"

# Each is put around what the next ones made of the answer, and each but the last says why it may not stand further in.
ORDER = {
    TOOLBAR: "the page of a JSON answer has no toolbar",
    JSON_PAGE: "the profile of a call has the page of its JSON, and not the JSON",
    PROFILE: "the profile of a call does not know of its record by silk",
    SILK: "",
}


@register("observability")
def check_debug(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """W101: the room is installed where DEBUG is off; it then shows nothing, and is not meant to be there."""
    if settings.DEBUG or not apps.is_installed(ROOM):
        return []
    return [
        Warning(
            f"{ROOM} is installed, and DEBUG is off.",
            hint="Take it, and its middleware, out of the settings of this environment: they serve development alone.",
            id="observability.W101",
        )
    ]


@register("observability")
def check_order(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """W102: a middleware of the room stands before one that has to stand around it."""
    found = [path for path in settings.MIDDLEWARE if path in ORDER]
    wanted = [path for path in ORDER if path in found]
    for first, path in zip(wanted, found, strict=True):
        if first != path:
            return [
                Warning(
                    f"{first} stands too late in MIDDLEWARE: {ORDER[first]}.",
                    hint=f"Put {first!r} before {path!r}.",
                    id="observability.W102",
                )
            ]
    return []


@register("observability")
def check_profiles(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401, ARG001
    """W103: a part of what gives each call a page is there, and another part is not."""
    if not (settings.DEBUG and apps.is_installed(ROOM)):
        return []
    store = getattr(settings, "DEBUG_TOOLBAR_CONFIG", {}).get("TOOLBAR_STORE_CLASS")
    parts = {
        f"{PROFILE!r} to MIDDLEWARE": PROFILE in settings.MIDDLEWARE,
        f"{READER!r} to OBSERVABILITY['READERS'], as the last one": READER in configuration().readers,
        f"path('__debug__/requests/', include('{URLS}')) to the addresses": _is_served(),
    }
    missing = [words for words, is_there in parts.items() if not is_there]
    if not missing or (len(missing) == len(parts) and store != STORE):
        return []
    return [
        Warning("Calls have no page of their own.", hint=f"Add {'; '.join(missing)}.", id="observability.W103"),
    ]


def _is_served() -> bool:
    try:
        reverse(REQUESTS)
    except NoReverseMatch:
        return False
    return True
