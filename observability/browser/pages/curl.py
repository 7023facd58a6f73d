"""A call as a command of curl that repeats it."""

import re
import shlex
from typing import Any

from observability.redaction import REDACTED

# What curl writes itself, what belongs to a browser or its page, and what asked for a tool.
_left_out = re.compile(
    r"host|content-length|connection|accept-encoding|user-agent|upgrade-insecure-requests|sec-.*|priority|dnt|te"
    r"|cache-control|pragma|x-request-id|traceparent|x-silk|x-profile|x-toolbar",
    re.IGNORECASE,
)
_not_in_a_variable = re.compile(r"[^A-Z0-9]+")


def curl(origin: str, method: str, request: dict[str, Any], *extra: str) -> str:
    """The command, for a POSIX shell; what is secret is a variable of the shell that its user has to set.

    `request` is that of the document. `extra` headers come last. A body that is not known as it was sent is left out,
    with a comment.
    """
    parts = ["curl", "-i"]
    if method != "GET":
        parts += ["-I"] if method == "HEAD" else ["-X", method]
    parts.append(shlex.quote(f"{origin}{request['url']}"))
    lines = [" ".join(parts)]
    for name, value in request["headers"].items():
        if not _left_out.fullmatch(name):
            lines.append(f"-H {_header(name, str(value))}")
    lines += [f"-H {shlex.quote(header)}" for header in extra]
    body = request["body"]
    if body["text"] and not body["is_cut"] and REDACTED not in body["text"]:
        lines.append(f"--data-raw {shlex.quote(body['text'])}")
    command = " \\\n  ".join(lines)
    if body["bytes"] and not lines[-1].startswith("--data-raw"):
        command = f"# The body ({body['bytes']:,} bytes) is not kept as it was sent: add it by --data-raw.\n{command}"
    return command


def _header(name: str, value: str) -> str:
    if REDACTED not in value:
        return shlex.quote(f"{name}: {value}")
    variable = _not_in_a_variable.sub("_", name.upper()).strip("_")
    return f'"{name}: ${{{variable}}}"'
