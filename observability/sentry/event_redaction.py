"""An event without secrets, and no larger than Sentry takes."""

import json
from typing import Any

from observability.redaction import redact

# Of a frame without its source and variables.
PLACE = ("filename", "abs_path", "module", "function", "lineno", "in_app")
# Sentry refuses an event of more than a megabyte (https://docs.sentry.io/concepts/data-management/size-limits).
MAX_FRAMES_LENGTH = 500_000


def without_secrets(event: dict[str, Any]) -> dict[str, Any]:
    """Redacted part by part, and frame by frame: what one walk leaves out at its end is none of another part."""
    shown = {name: redact(part, name) for name, part in event.items() if name not in ("exception", "spans")}
    if "spans" in event:
        shown["spans"] = [redact(span) for span in event["spans"]]
    if "exception" in event:
        shown["exception"] = {"values": _exceptions(exceptions_of(event))}
    return shown


def exceptions_of(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The exceptions of an event, in whichever of the protocol's forms the project captured it."""
    exceptions = event.get("exception") or []
    return (exceptions.get("values") or []) if isinstance(exceptions, dict) else exceptions


def _exceptions(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The exceptions and their frames; those next to the failure, at the end of each list, have room first."""
    left = MAX_FRAMES_LENGTH
    shown = []
    for value in reversed(values):
        exception = redact({name: part for name, part in value.items() if name != "stacktrace"})
        frames = []
        for frame in reversed((value.get("stacktrace") or {}).get("frames") or ()):
            redacted = redact(frame)
            left -= len(json.dumps(redacted))
            frames.append(redacted if left >= 0 else {name: redacted[name] for name in PLACE if name in redacted})
        shown.append(exception | ({"stacktrace": {"frames": frames[::-1]}} if frames else {}))
    return shown[::-1]
