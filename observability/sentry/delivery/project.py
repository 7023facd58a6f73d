"""The project of a DSN: what may be shown of it, and what its spool is called."""

import hashlib

from sentry_sdk.utils import Dsn


def project_of(dsn: str) -> str:
    """The address of the project without its key, such as `https://sentry.example.com/1`."""
    parsed = Dsn(dsn)
    return f"{parsed.scheme}://{_place(parsed)}"


def address_of(dsn: str) -> str:
    """The address of the server, for a person to open."""
    parsed = Dsn(dsn)
    return f"{parsed.scheme}://{parsed.netloc}/"


def masked(dsn: str) -> str:
    """The DSN as people know it, with … for its key."""
    parsed = Dsn(dsn)
    return f"{parsed.scheme}://…@{_place(parsed)}"


def spool_name(dsn: str) -> str:
    """The name of the project's spool: of its host and number alone, so that a new key finds what waits."""
    return hashlib.sha256(_place(Dsn(dsn)).encode()).hexdigest()[:16]


def _place(parsed: Dsn) -> str:
    return f"{parsed.netloc}{parsed.path}{parsed.project_id}"
