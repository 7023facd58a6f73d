"""The reader that writes the profile of each call of a developer, and names its page in a header."""

import sqlite3

from observability.core.observation import Observation
from observability.core.readers import Headers
from observability.profiler.addresses import profile_url
from observability.profiler.profiles.document import document_of, encoded
from observability.profiler.profiles.profile import Profile
from observability.profiler.profiles.store import CALL, store

PROFILE_URL = "X-Profile-URL"
EXPOSED = (PROFILE_URL, "X-Request-ID", "Server-Timing")


class ProfileNotKept(Exception):  # noqa: N818 - it says what happened to the profile
    """The file of profiles cannot be used."""


class Profiles:
    """X-Profile-URL on the response, and the row behind it: from then on `running`, and complete when the call is over.

    It stands last among the readers, since it shows what the others found. Where the file cannot be written the call
    has no header, and one line on stderr says why.
    """

    def response_started(self, observation: Observation, headers: Headers) -> None:
        profile = _profile(observation)
        request = observation.request
        if profile is None or request is None:
            return
        url = profile_url(request, profile.id)
        _begin(profile)
        headers[PROFILE_URL] = url
        if "Access-Control-Allow-Origin" in headers:
            _expose(headers)
        for name in EXPOSED:
            if name in headers:
                profile.exchange.response_headers[name] = headers[name]

    def closed(self, observation: Observation) -> None:
        profile = _profile(observation)
        if profile is None:
            return
        if profile.number is None:
            # It ended without a response: the client hung up, or the task was cancelled.
            _begin(profile)
        documents = {**profile.documents, CALL: encoded(document_of(profile))}
        try:
            store().close(profile.number or 0, profile.id, profile.changing(), documents)
        except (sqlite3.Error, OSError) as error:
            raise _not_kept(error) from error


def _profile(observation: Observation) -> Profile | None:
    profile = observation.extensions.get(Profile)
    return profile if isinstance(profile, Profile) else None


def _begin(profile: Profile) -> None:
    panels, profile.panels = profile.panels, {}
    try:
        profile.number = store().begin(profile.row(), panels)
    except (sqlite3.Error, OSError) as error:
        # The call is not held up, and nothing told, a second time when it is over.
        profile.observation.extensions[Profile] = None
        raise _not_kept(error) from error


def _not_kept(error: Exception) -> ProfileNotKept:
    path = store().file.path
    # Of what happens while it is in use, such as a lock that lasts, it would not help to delete it.
    is_broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    hint = "; it holds profiles alone and may be deleted" if is_broken else ""
    return ProfileNotKept(f"{path} cannot be used: {error}{hint}")


def _expose(headers: Headers) -> None:
    """Let scripts of other origins, whom the application answers, read the headers."""
    written = headers.get("Access-Control-Expose-Headers", "")
    known = {name.strip().lower() for name in written.split(",")}
    missing = [name for name in EXPOSED if name.lower() not in known]
    if "*" not in known or headers.get("Access-Control-Allow-Credentials") == "true":
        headers["Access-Control-Expose-Headers"] = ", ".join(filter(None, [written, *missing]))
