"""The reader that stores the profile of each request of a developer, and adds a header with its URL."""

import sqlite3

from observability.core.observation import Observation
from observability.core.readers import Headers
from observability.profiler.links import profile_url
from observability.profiler.profile import Profile, find_profile
from observability.profiler.profile_document import build_document, to_json
from observability.profiler.profile_store import DOCUMENT, store

PROFILE_URL = "X-Profile-URL"
EXPOSED_HEADERS = (PROFILE_URL, "X-Request-ID", "Server-Timing")


class ProfileNotStoredError(Exception):
    """The profile file cannot be used."""


class ProfileReader:
    """Store profiles: a row with the state `running` when the response starts, the whole profile when the request ends.

    It must be the last reader, because it stores values that other readers set. If the file cannot be written, the
    response has no X-Profile-URL, and stderr has a line with the reason.
    """

    def response_started(self, observation: Observation, headers: Headers) -> None:
        profile = find_profile(observation)
        request = observation.request
        if profile is None or request is None:
            return
        url = profile_url(request, profile.id)
        _store_row(profile)
        headers[PROFILE_URL] = url
        if "Access-Control-Allow-Origin" in headers:
            _expose_headers(headers)
        for name in EXPOSED_HEADERS:
            if name in headers:
                profile.capture.response_headers[name] = headers[name]

    def closed(self, observation: Observation) -> None:
        profile = find_profile(observation)
        if profile is None:
            return
        if profile.number is None:
            # The request has ended without a response: the client disconnected, or the task was canceled.
            _store_row(profile)
        documents = {**profile.documents, DOCUMENT: to_json(build_document(profile))}
        try:
            store().close(profile.number or 0, profile.id, profile.changing_row_values(), documents)
        except (sqlite3.Error, OSError) as error:
            raise _not_stored(error) from error


def _store_row(profile: Profile) -> None:
    panels, profile.panels = profile.panels, {}
    try:
        profile.number = store().begin(profile.row_values(), panels)
    except (sqlite3.Error, OSError) as error:
        # Do not try again when the request ends: this would wait and report the same error a second time.
        profile.observation.extensions[Profile] = None
        raise _not_stored(error) from error


def _not_stored(error: Exception) -> ProfileNotStoredError:
    path = store().file.path
    # For operational errors, for example a lock of another process, it does not help to delete the file.
    is_broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    hint = "; delete the file, it contains only profiles" if is_broken else ""
    return ProfileNotStoredError(f"{path} cannot be used: {error}{hint}")


def _expose_headers(headers: Headers) -> None:
    """Let scripts of other origins read the headers if the application allows these origins (CORS)."""
    value = headers.get("Access-Control-Expose-Headers", "")
    exposed = {name.strip().lower() for name in value.split(",")}
    missing = [name for name in EXPOSED_HEADERS if name.lower() not in exposed]
    if "*" not in exposed or headers.get("Access-Control-Allow-Credentials") == "true":
        headers["Access-Control-Expose-Headers"] = ", ".join(filter(None, [value, *missing]))
