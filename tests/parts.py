"""The optional parts of the tests: programs and servers that `bin/test --all` needs, and how to install each."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from tests.bugsink import why_not_installed
from tests.chromium import chromium_path


@dataclass(frozen=True)
class Part:
    """A part, what is not tested without it, and a function that returns why it is missing, or an empty string."""

    name: str
    untested: str
    why_missing: Callable[[], str]


def _program(name: str, package: str = "") -> Callable[[], str]:
    """Look for a program on the PATH and in the directories of servers."""

    def why_missing() -> str:
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        return "" if shutil.which(name, path=path) else f"{name} was not found (apt install {package or name})"

    return why_missing


def _chromium() -> str:
    hint = "Chromium was not found (apt install chromium, or name it: CHROMIUM=/path)"
    return "" if chromium_path() else hint


def _small_disk() -> str:
    """Whether a file system of a few kilobytes can be mounted, in a namespace of its own."""
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"unshare cannot be run ({error.strerror}; apt install util-linux)"
    return "" if result.returncode == 0 else f"no file system can be mounted ({result.stderr.strip()}): run as root"


PARTS = {
    part.name: part
    for part in (
        Part("chromium", "what a developer sees in a browser", _chromium),
        Part("bugsink", "what a Sentry server makes of our events", why_not_installed),
        Part("rsyslog", "what a syslog server receives", _program("rsyslogd", "rsyslog")),
        Part("lnav", "the lnav recipes", _program("lnav")),
        Part("jq", "the jq recipes", _program("jq")),
        Part("small-disk", "a full disk", _small_disk),
    )
}


@cache
def missing(name: str) -> str:
    """Return one line about a missing part, or an empty string."""
    part = PARTS[name]
    reason = part.why_missing()
    return f"{reason}: {part.untested} is not tested" if reason else ""


if __name__ == "__main__":
    # `python -m tests.parts` lists what is missing.
    lines = [line for line in map(missing, PARTS) if line]
    sys.stdout.writelines(f"{line}\n" for line in lines or ["Nothing is missing."])
    sys.exit(bool(lines))
