"""Which routes the processes of this machine have told of: one report a route and release, however many restart."""

import json
import sys
from contextlib import suppress

from observability.conf import configuration, shared_file

if sys.platform != "win32":
    import fcntl


def is_first_to_tell(key: str) -> bool:
    """Whether no process of this machine told of this route since the release began, and remember that one does now.

    It is known by `over_budget.json` in VAR_DIR, which holds the routes of one release. Without that file or a
    RELEASE, and where the file cannot be written, each process is the first.
    """
    release, path = configuration().release, shared_file("over_budget.json")
    if not release or path is None:
        return True
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8") as file:
            if sys.platform != "win32":
                fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            routes = _routes(file.read(), release)
            if key in routes:
                return False
            file.truncate(0)
            json.dump({"release": release, "routes": sorted({*routes, key})}, file, indent=2)
    return True


def _routes(text: str, release: str) -> list[str]:
    """Those of this release; none where another one wrote the file, or a process was killed while it did."""
    with suppress(ValueError, KeyError, TypeError):
        written = json.loads(text)
        if written["release"] == release:
            return list(written["routes"])
    return []
