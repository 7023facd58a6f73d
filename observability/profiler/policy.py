"""The Content-Security-Policy of the room's pages."""

import re
from urllib.parse import urlsplit

from django.conf import settings

# Nothing but files of this origin runs, styles or is fetched, and no attribute of an element does: whatever text of a
# call gets into a page is only text. The toolbar's fonts and pictures are files, and the empty favicon is a `data:`.
# What has files of a host of its own (STATIC_URL) has them from there too.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def policy() -> str:
    """The policy, with the origin of STATIC_URL where that is another one."""
    parts = urlsplit(settings.STATIC_URL or "")
    if not parts.netloc:
        return POLICY
    origin = f"{parts.scheme}://{parts.netloc}" if parts.scheme else parts.netloc
    return re.sub(r"((?:script|style|img|font)-src 'self')", rf"\1 {origin}", POLICY)
