"""Optional parts of the tests: programs and servers that `bin/test --all` needs, and how to install them."""

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
    """A part, the tests that need it, and a function that returns why it is missing, or an empty string."""

    name: str
    untested: str
    why_missing: Callable[[], str]


def _program(name: str, package: str = "") -> Callable[[], str]:
    """Return a check for a program on the PATH and in the sbin directories."""

    def why_missing() -> str:
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        return "" if shutil.which(name, path=path) else f"{name} not found (apt install {package or name})"

    return why_missing


def _chromium() -> str:
    hint = "Chromium not found (apt install chromium, or set CHROMIUM to its path)"
    return "" if chromium_path() else hint


def _small_disk() -> str:
    """Check that a small file system can be mounted in a new namespace."""
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"cannot run unshare ({error.strerror}; apt install util-linux)"
    return "" if result.returncode == 0 else f"cannot mount a file system ({result.stderr.strip()}); run as root"


PARTS = {
    part.name: part
    for part in (
        Part("chromium", "the pages in a browser", _chromium),
        Part("bugsink", "the delivery to a Sentry server", why_not_installed),
        Part("rsyslog", "the delivery to a syslog server", _program("rsyslogd", "rsyslog")),
        Part("nginx", "the sample of a buffering proxy", _program("nginx")),
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
    return f"{reason}. Not tested without it: {part.untested}" if reason else ""


if __name__ == "__main__":
    # `python -m tests.parts` lists the missing parts.
    lines = [line for line in map(missing, PARTS) if line]
    sys.stdout.writelines(f"{line}\n" for line in lines or ["All optional parts are available."])
    sys.exit(bool(lines))
