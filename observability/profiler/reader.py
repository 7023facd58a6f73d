"""The reader that stores the profile of each request of a developer, and links to its page in a response header."""

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
    """Store profiles: the row with state `running` when the response starts, the whole profile when the request ends.

    It has to be the last reader, because it shows what the others set. If the file cannot be written, the response has
    no X-Profile-URL, and one line on stderr says why.
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
            # The request ended without a response: the client disconnected, or the task was cancelled.
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
        # Do not try, wait and report again when the request ends.
        profile.observation.extensions[Profile] = None
        raise _not_stored(error) from error


def _not_stored(error: Exception) -> ProfileNotStoredError:
    path = store().file.path
    # Deleting the file does not help against errors of its use, for example a lock that another process holds.
    is_broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    hint = "; it contains only profiles and may be deleted" if is_broken else ""
    return ProfileNotStoredError(f"{path} cannot be used: {error}{hint}")


def _expose_headers(headers: Headers) -> None:
    """Let scripts of other origins read the headers, if the application answers those origins."""
    value = headers.get("Access-Control-Expose-Headers", "")
    exposed = {name.strip().lower() for name in value.split(",")}
    missing = [name for name in EXPOSED_HEADERS if name.lower() not in exposed]
    if "*" not in exposed or headers.get("Access-Control-Allow-Credentials") == "true":
        headers["Access-Control-Expose-Headers"] = ", ".join(filter(None, [value, *missing]))
