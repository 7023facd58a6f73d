"""System checks of the room: that it is not served to the public, and that its middleware can work together."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004

ROOM = "observability.browser"
JSON_PAGE = "observability.browser.json_page.middleware.JsonPageMiddleware"
TOOLBAR = "observability.browser.toolbar.ToolbarMiddleware"


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
    """W102: the toolbar stands after the JSON page, so that the page it is put into is made too late."""
    order = [path for path in settings.MIDDLEWARE if path in (TOOLBAR, JSON_PAGE)]
    if order != [JSON_PAGE, TOOLBAR]:
        return []
    return [
        Warning(
            "The page of a JSON answer has no toolbar.",
            hint=f"Put {TOOLBAR!r} before {JSON_PAGE!r} in MIDDLEWARE.",
            id="observability.W102",
        )
    ]
