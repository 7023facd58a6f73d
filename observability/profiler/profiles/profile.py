"""A call under way, as it is profiled: who is, and what is kept of it until it is over."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from django.dispatch import receiver
from django.http import HttpRequest
from django.test.signals import setting_changed

from observability.conf import QuietPaths
from observability.core.measurements import to_dict
from observability.core.observation import Observation
from observability.core.timeline import Timeline
from observability.profiler.addresses import is_of_tools, redacted_url
from observability.profiler.audience import is_from_developer, opens_a_page
from observability.profiler.profiles.exchange import Exchange

_not_asked = object()


class Profile:
    """The profile of one call, from the moment it is first asked for until its observation is closed.

    It stands on the observation and goes with it. `panels` are those of the toolbar, by id, as they are serialised,
    until the row of the call is written (its `number`); `documents` what is written at its end.
    """

    # The toolbar knows its requests by ids of its own.
    by_toolbar_id: ClassVar["WeakValueDictionary[str, Profile]"] = WeakValueDictionary()

    __slots__ = (
        "__weakref__", "documents", "exchange", "id", "notice", "number", "observation", "panels", "repeat_of",
        "toolbar_id",
    )  # fmt: skip

    def __init__(self, observation: Observation) -> None:
        # An id of its own: those of clients repeat.
        self.id = os.urandom(8).hex()
        self.observation = observation
        self.exchange = Exchange()
        self.toolbar_id: str | None = None
        self.panels: dict[str, str] = {}
        self.documents: dict[str, bytes] = {}
        self.number: int | None = None
        self.repeat_of: str | None = None
        # What went wrong with the profile itself.
        self.notice = ""
        observation.timeline = Timeline()

    def has_toolbar(self, toolbar_id: str) -> None:
        """Hear that the toolbar looks at this call too."""
        self.toolbar_id = toolbar_id
        Profile.by_toolbar_id[toolbar_id] = self

    def row(self) -> Mapping[str, object]:
        """A value for each column of the store."""
        observation, http = self.observation, self.observation.http
        return {
            "id": self.id,
            "request_id": observation.request_id,
            "toolbar_id": self.toolbar_id,
            "is_running": True,
            "process": os.getpid(),
            "started_at": observation.started_at,
            "method": http.method if http else "",
            "path": http.path if http else "",
            "query": redacted_url(self.exchange.url).partition("?")[2],
            "repeat_of": self.repeat_of,
        } | self.changing()

    def changing(self) -> dict[str, object]:
        """The values of the row that may change until the call is over."""
        keys = to_dict(self.observation)
        return {
            "route": keys.get("http.route"),
            "status": keys.get("http.response.status_code"),
            "duration_ms": keys["duration_ms"],
            "query_count": keys["db.query_count"],
            "repeated_count": keys["db.repeated_count"],
            "over_budget": keys.get("db.over_budget", False),
            "transaction": keys["db.transaction"],
            "user_id": keys.get("user.id"),
            "failed": self.observation.failed,
            "silk_url": self.exchange.response_headers.get("X-Silk-URL"),
        }


def profile_of(observation: Observation | None) -> Profile | None:
    """The profile of a request, begun here where nobody asked before; None where it has none.

    Those of a developer have one, but for requests of the tools themselves, and those of QUIET_PATHS that no person
    opens.
    """
    if observation is None:
        return None
    profile: Any = observation.extensions.get(Profile, _not_asked)
    if profile is _not_asked:
        profile = observation.extensions[Profile] = Profile(observation) if _is_profiled(observation) else None
    return profile if isinstance(profile, Profile) else None


def _is_profiled(observation: Observation) -> bool:
    request: HttpRequest | None = observation.request
    if request is None or not is_from_developer(request) or is_of_tools(request.path):
        return False
    return request.path not in _quiet_paths() or opens_a_page(request)


@cache
def _quiet_paths() -> QuietPaths:
    return QuietPaths()


@receiver(setting_changed, dispatch_uid="observability.profiler.profiles.profile")
def _forget_quiet_paths(*, setting: str, **_: Any) -> None:  # noqa: ANN401
    """Follow `override_settings(OBSERVABILITY=…)` in tests."""
    if setting == "OBSERVABILITY":
        _quiet_paths.cache_clear()
