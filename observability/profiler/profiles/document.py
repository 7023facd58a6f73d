"""The document of a profile: all that is shown of a call, as JSON and without secrets, made when the call is over."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

import orjson

from observability.core.measurements import to_dict
from observability.core.observation import Observation
from observability.core.timeline import ExceptionInfo, Timeline, TimelineEntry
from observability.profiler.addresses import redacted_url
from observability.profiler.profiles.body import shown
from observability.profiler.profiles.profile import Profile
from observability.recorders.query_hints import find_field_declaration, find_hint
from observability.recorders.query_origin import UNKNOWN_ORIGIN, QueryOrigin
from observability.recorders.sql import normalize, summarize
from observability.redaction import redact, redact_text

# Of all lines of a call together; later lines are shown without their facts.
MAX_FACT_BYTES = 512 * 1024

SERVER_TIMING = "Server-Timing"

Document = dict[str, Any]


def encoded(document: Document) -> bytes:
    """The document as JSON; what orjson refuses (surrogates, large numbers) Python's own module writes as escapes."""
    try:
        return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return json.dumps(document).encode()


def document_of(profile: Profile) -> Document:
    """The document of a call that is over; docs/browser.md has its keys. Times are in milliseconds."""
    observation, exchange = profile.observation, profile.exchange
    details = observation.timeline or Timeline()
    statements = _Statements()
    return {
        "id": profile.id,
        "request_id": observation.request_id,
        "trace_id": observation.trace_id,
        "request": {
            "url": redacted_url(exchange.url),
            "headers": _shown_headers(exchange.request_headers),
            "body": shown(
                exchange.request_body,
                exchange.request_headers.get("Content-Type", ""),
                exchange.request_headers.get("Content-Encoding", ""),
            ),
        },
        "response": {
            "headers": _shown_headers(exchange.response_headers),
            "body": shown(
                exchange.response_body,
                exchange.response_headers.get("Content-Type", ""),
                exchange.response_headers.get("Content-Encoding", ""),
            ),
        },
        **_numbers(observation),
        "facts": redact(observation.facts),
        "exception": _exception(details.failure),
        "steps": _steps(observation, details.entries, statements),
        "statements": statements.listed(),
        "dropped_steps": dict(details.dropped),
        "with_toolbar": profile.toolbar_id is not None,
        "notice": profile.notice,
    }


def _numbers(observation: Observation) -> Document:
    keys = to_dict(observation)
    return {
        "client_address": keys.get("client.address"),
        "query_duration_ms": keys["db.duration_ms"],
        "query_budget": keys.get("db.query_budget"),
        "framework_query_count": keys.get("db.framework_query_count", 0),
        "outgoing_count": keys["outgoing.count"],
        "outgoing_duration_ms": keys["outgoing.duration_ms"],
        "error_type": observation.error_type,
        "sentry_event_id": keys.get("sentry.event_id"),
    }


def _shown_headers(headers: Mapping[str, str]) -> Document:
    # Ours and the toolbar's own is long, and looks like what may hold a secret; it has numbers alone.
    shown: Document = redact({name: value for name, value in headers.items() if name != SERVER_TIMING})
    return shown | {SERVER_TIMING: headers[SERVER_TIMING]} if SERVER_TIMING in headers else shown


def _exception(failure: ExceptionInfo | None) -> Document | None:
    if failure is None:
        return None
    return {"type": failure.type, "message": redact_text(failure.message), "stack": redact_text(failure.stack)}


def _steps(observation: Observation, entries: Iterable[TimelineEntry], statements: "_Statements") -> list[Document]:
    """The steps in the order in which they began."""
    facts = _Facts()
    steps: list[Document] = []
    # Threads of the request may still be adding.
    for detail in tuple(entries):
        step = detail.step
        at_ms = round(observation.step_started_ms(step), 3)
        told: Document = {"kind": step.kind, "at_ms": at_ms, "duration_ms": round(step.duration_ms, 3)}
        if step.kind == "query":
            told["statement"] = statements.number_of(detail)
            if detail.error:
                told["error"] = redact_text(detail.error)
        elif step.kind == "log":
            told |= {"text": step.text, "level": detail.level, "logger": step.source, "facts": facts.of(detail)}
            del told["duration_ms"]
            if detail.stack:
                told["stack"] = detail.stack
        else:
            told |= {"text": step.text, "source": step.source}
        steps.append(told)
    steps.sort(key=lambda told: cast("float", told["at_ms"]))
    return steps


class _Facts:
    """The facts of lines, until they are too many together."""

    def __init__(self) -> None:
        self.left = MAX_FACT_BYTES

    def of(self, detail: TimelineEntry) -> Document:
        if not detail.facts:
            return {}
        self.left -= len(encoded(dict(detail.facts)))
        return dict(detail.facts) if self.left >= 0 else {"…": "left out: the lines of this call have too many facts"}


class _Statements:
    """The statements of a call, each for one reason and one database, with how often and how long it ran."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str, QueryOrigin], int] = {}
        self._totals: list[tuple[int, float]] = []

    def number_of(self, detail: TimelineEntry) -> int:
        """Count it; the number of its statement."""
        step = detail.step
        cause = detail.origin if isinstance(detail.origin, QueryOrigin) else UNKNOWN_ORIGIN
        number = self._numbers.setdefault((step.fingerprint, step.source, cause), len(self._numbers))
        if number == len(self._totals):
            self._totals.append((0, 0.0))
        count, duration_ms = self._totals[number]
        self._totals[number] = count + 1, duration_ms + step.duration_ms
        return number

    def listed(self) -> list[Document]:
        return [
            {
                **_told_statement(fingerprint),
                "database": database,
                "count": count,
                "duration_ms": round(duration_ms, 3),
                "cause": _told_cause(cause),
                "advice": find_hint(fingerprint, cause) if count > 1 else "",
            }
            for ((fingerprint, database, cause), (count, duration_ms)) in zip(self._numbers, self._totals, strict=True)
        ]


@lru_cache(maxsize=1024)
def _told_statement(fingerprint: str) -> Document:
    # A statement that was written with its values may hold a secret.
    return {"text": redact_text(normalize(fingerprint)), "short": summarize(fingerprint)}


@lru_cache(maxsize=1024)
def _told_cause(cause: QueryOrigin) -> Document:
    return {
        "lines": [str(line) for line in cause.source_lines],
        "field": str(cause.field) if cause.field is not None else "",
        "declared": find_field_declaration(cause.field) if cause.field is not None else "",
        "view": cause.view,
    }
