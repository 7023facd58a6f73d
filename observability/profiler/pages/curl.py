"""A call as a command of curl that repeats it."""

import re
import shlex
from typing import Any
from urllib.parse import urlencode, urlsplit

from observability.profiler.audience import TOOL_PARAMETERS
from observability.redaction import REDACTED

# What curl writes itself, what belongs to a browser or its page, and what asked for a tool or the ids of the call.
_left_out = re.compile(
    r"host|content-length|content-encoding|connection|accept-encoding|user-agent|upgrade-insecure-requests|sec-.*|priority|dnt|te"
    r"|cache-control|pragma|x-request-id|traceparent|x-silk|x-profile|x-toolbar",
    re.IGNORECASE,
)
_redacted_parameter = re.compile(rf"([^?&=]*)=[^&]*{re.escape(REDACTED)}[^&]*")
_not_in_a_variable = re.compile(r"[^A-Z0-9]+")


def curl(origin: str, method: str, request: dict[str, Any], *extra: str) -> str:
    """The command, for a POSIX shell; what is secret is a variable of the shell that its user has to set.

    `request` is that of the document. `extra` headers come last. A body that is not known as it was sent is left out,
    with a comment.
    """
    parts = ["curl", "-i"]
    if method != "GET":
        parts += ["-I"] if method == "HEAD" else ["-X", method]
    url = f"{origin}{without_tools(request['url'])}"
    # curl takes brackets and braces for a set of addresses.
    parts += ["-g"] if re.search(r"[\[\]{}]", url.replace(REDACTED, "")) else []
    parts.append(_address(url))
    lines = [" ".join(parts)]
    body = request["body"]
    for name, value in request["headers"].items():
        # The development server invents a type of a body that is not there.
        is_told = body["bytes"] or name.lower() != "content-type"
        if is_told and not _left_out.fullmatch(name) and (name.lower(), value) != ("accept", "*/*"):
            lines.append(f"-H {_header(name, str(value))}")
    lines += [f"-H {shlex.quote(header)}" for header in extra]
    if body["text"] and not body["is_cut"] and REDACTED not in body["text"]:
        lines.append(f"--data-raw {shlex.quote(body['text'])}")
    command = " \\\n  ".join(lines)
    if body["bytes"] and not lines[-1].startswith("--data-raw"):
        command = f"# The body ({body['bytes']:,} bytes) is not kept as it was sent: add it by --data-raw.\n{command}"
    return command


def without_tools(url: str, **more: str) -> str:
    """An address without the parameters that ask for a tool, and with others at its end."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in TOOL_PARAMETERS]
    query = "&".join([*kept, urlencode(more)] if more else kept)
    return f"{parts.path}?{query}" if query else parts.path


def _address(url: str) -> str:
    if REDACTED not in url:
        return shlex.quote(url)
    quoted = re.sub(r'([\\"$`])', r"\\\1", url)
    return f'"{_redacted_parameter.sub(_variable_of_parameter, quoted)}"'


def _variable_of_parameter(match: re.Match[str]) -> str:
    return f"{match[1]}=${{{_variable(match[1])}}}"


def _variable(name: str) -> str:
    return _not_in_a_variable.sub("_", name.upper()).strip("_") or "SECRET"


def _header(name: str, value: str) -> str:
    if REDACTED not in value:
        return shlex.quote(f"{name}: {value}")
    return f'"{name}: ${{{_variable(name)}}}"'
