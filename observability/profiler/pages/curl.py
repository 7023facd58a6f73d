"""The curl command that repeats a request."""

import re
import shlex
from urllib.parse import urlencode, urlsplit

from observability.profiler.profile_document import RequestDocument
from observability.profiler.visibility import TOOL_PARAMETERS
from observability.redaction import REDACTED

# Headers that curl sets itself, that belong to a browser or its page, that ask for a tool, or that are ids.
_left_out = re.compile(
    r"host|content-length|content-encoding|connection|accept-encoding|user-agent|upgrade-insecure-requests|sec-.*|priority|dnt|te"
    r"|cache-control|pragma|x-request-id|traceparent|x-silk|x-profile|x-toolbar",
    re.IGNORECASE,
)
_redacted_parameter = re.compile(rf"([^?&=]*)=[^&]*{re.escape(REDACTED)}[^&]*")
_not_in_a_variable = re.compile(r"[^A-Z0-9]+")


def to_curl(origin: str, method: str, request: RequestDocument, *extra_headers: str) -> str:
    """Return the command for a POSIX shell; each secret is a shell variable that the user has to set.

    A body that is not stored as it was sent is replaced by a comment.
    """
    parts = ["curl", "-i"]
    if method != "GET":
        parts += ["-I"] if method == "HEAD" else ["-X", method]
    url = f"{origin}{without_tools(request['url'])}"
    # curl would expand brackets and braces to several URLs.
    parts += ["-g"] if re.search(r"[\[\]{}]", url.replace(REDACTED, "")) else []
    parts.append(_quote_url(url))
    lines = [" ".join(parts)]
    body = request["body"]
    for name, value in request["headers"].items():
        # The development server adds a Content-Type although there is no body.
        is_sent = body["bytes"] or name.lower() != "content-type"
        if is_sent and not _left_out.fullmatch(name) and (name.lower(), value) != ("accept", "*/*"):
            lines.append(f"-H {_quote_header(name, str(value))}")
    lines += [f"-H {shlex.quote(header)}" for header in extra_headers]
    if body["text"] and not body["is_cut"] and REDACTED not in body["text"]:
        lines.append(f"--data-raw {shlex.quote(body['text'])}")
    command = " \\\n  ".join(lines)
    if body["bytes"] and not lines[-1].startswith("--data-raw"):
        command = (
            f"# The body ({body['bytes']:,} bytes) is not stored as it was sent: add it with --data-raw.\n{command}"
        )
    return command


def without_tools(url: str, **more: str) -> str:
    """Return a URL without the parameters that ask for a tool, and with `more` parameters at its end."""
    parts = urlsplit(url)
    pairs = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in TOOL_PARAMETERS]
    query = "&".join([*pairs, urlencode(more)] if more else pairs)
    return f"{parts.path}?{query}" if query else parts.path


def _quote_url(url: str) -> str:
    if REDACTED not in url:
        return shlex.quote(url)
    quoted = re.sub(r'([\\"$`])', r"\\\1", url)
    return f'"{_redacted_parameter.sub(_replace_parameter, quoted)}"'


def _replace_parameter(match: re.Match[str]) -> str:
    return f"{match[1]}=${{{_variable_name(match[1])}}}"


def _variable_name(name: str) -> str:
    return _not_in_a_variable.sub("_", name.upper()).strip("_") or "SECRET"


def _quote_header(name: str, value: str) -> str:
    if REDACTED not in value:
        return shlex.quote(f"{name}: {value}")
    return f'"{name}: ${{{_variable_name(name)}}}"'
