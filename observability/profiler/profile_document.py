"""The document of a profile: the data of its page as JSON without secrets. It is built when the request ends."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NotRequired, TypedDict

import orjson

from observability.core.measurements import to_dict
from observability.core.observation import Fact, Observation
from observability.core.steps import StepKind
from observability.core.timeline import ExceptionInfo, Timeline, TimelineEntry
from observability.profiler.body_text import BodyDocument, describe_body
from observability.profiler.links import redact_url
from observability.profiler.profile import Profile
from observability.recorders.query_hints import find_field_declaration, find_hint
from observability.recorders.query_origin import UNKNOWN_ORIGIN, QueryOrigin
from observability.recorders.sql import normalize, summarize
from observability.redaction import redact, redact_text

# The maximum size of the facts of all log lines of a request. Later lines are shown without facts.
MAX_FACT_BYTES = 512 * 1024

SERVER_TIMING = "Server-Timing"


class ResponseDocument(TypedDict):
    headers: dict[str, str]
    body: BodyDocument


class RequestDocument(ResponseDocument):
    url: str


class OriginDocument(TypedDict):
    """The origin of a statement: lines of the project's code, and the serializer field with its declaration."""

    lines: list[str]
    field: str
    declared: str
    view: str


class StatementDocument(TypedDict):
    """A statement for one database and one origin: the number of its runs, and their total duration."""

    text: str
    summary: str
    database: str
    count: int
    duration_ms: float
    origin: OriginDocument
    hint: str


class StepDocument(TypedDict):
    """A step. `statement` is the index of a query's statement. Log lines have `level`, `logger`, `facts`, `stack`."""

    kind: StepKind
    at_ms: float
    duration_ms: NotRequired[float]
    statement: NotRequired[int]
    error: NotRequired[str]
    text: NotRequired[str]
    source: NotRequired[str]
    level: NotRequired[str]
    logger: NotRequired[str]
    facts: NotRequired[dict[str, object]]
    stack: NotRequired[str]


class ExceptionDocument(TypedDict):
    type: str
    message: str
    stack: str


class NumbersDocument(TypedDict):
    """Values of the access log line that are not in the row of the profile. Durations are None while it runs."""

    client_address: str | None
    query_duration_ms: float | None
    query_budget: int | None
    framework_query_count: int
    outgoing_count: int | None
    outgoing_duration_ms: float | None
    error_type: str | None
    sentry_event_id: str | None


class ProfileDocument(NumbersDocument):
    """The document; docs/reference/profile-json.md describes the keys. Times are in milliseconds."""

    id: str
    request_id: str
    trace_id: str
    request: RequestDocument
    response: ResponseDocument
    facts: dict[str, Fact]
    exception: ExceptionDocument | None
    steps: list[StepDocument]
    statements: list[StatementDocument]
    dropped_steps: dict[str, int]
    with_toolbar: bool
    notice: str


EMPTY_DOCUMENT: ProfileDocument = {
    "id": "",
    "request_id": "",
    "trace_id": "",
    "request": {"url": "", "headers": {}, "body": {"text": "", "bytes": 0, "is_cut": False}},
    "response": {"headers": {}, "body": {"text": "", "bytes": 0, "is_cut": False}},
    "client_address": None,
    "query_duration_ms": None,
    "query_budget": None,
    "framework_query_count": 0,
    "outgoing_count": None,
    "outgoing_duration_ms": None,
    "error_type": None,
    "sentry_event_id": None,
    "facts": {},
    "exception": None,
    "steps": [],
    "statements": [],
    "dropped_steps": {},
    "with_toolbar": False,
    "notice": "",
}


def to_json(document: Mapping[str, object]) -> bytes:
    """Return the document as JSON. If orjson rejects a value (surrogates, large numbers), use the json module."""
    try:
        return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return json.dumps(document).encode()


def build_document(profile: Profile) -> ProfileDocument:
    """Return the document of a request that has ended."""
    observation, capture = profile.observation, profile.capture
    timeline = observation.timeline or Timeline()
    statements = _Statements()
    steps = _describe_steps(observation, timeline.entries, statements)
    return {
        "id": profile.id,
        "request_id": observation.request_id,
        "trace_id": observation.trace_id,
        "request": {
            "url": redact_url(capture.url),
            "headers": _redact_headers(capture.request_headers),
            "body": describe_body(
                capture.request_body,
                capture.request_headers.get("Content-Type", ""),
                capture.request_headers.get("Content-Encoding", ""),
            ),
        },
        "response": {
            "headers": _redact_headers(capture.response_headers),
            "body": describe_body(
                capture.response_body,
                capture.response_headers.get("Content-Type", ""),
                capture.response_headers.get("Content-Encoding", ""),
            ),
        },
        **_describe_numbers(observation),
        "facts": redact(observation.facts),
        "exception": _describe_exception(timeline.failure),
        "steps": steps,
        "statements": statements.to_list(),
        "dropped_steps": dict(timeline.dropped),
        "with_toolbar": profile.toolbar_id is not None,
        "notice": profile.notice,
    }


def _describe_numbers(observation: Observation) -> NumbersDocument:
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


def _redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    # Do not redact Server-Timing: it is long enough to look like a secret, but it has only numbers.
    redacted: dict[str, str] = redact({name: value for name, value in headers.items() if name != SERVER_TIMING})
    return redacted | {SERVER_TIMING: headers[SERVER_TIMING]} if SERVER_TIMING in headers else redacted


def _describe_exception(failure: ExceptionInfo | None) -> ExceptionDocument | None:
    if failure is None:
        return None
    return {"type": failure.type, "message": redact_text(failure.message), "stack": redact_text(failure.stack)}


def _describe_steps(
    observation: Observation, entries: Iterable[TimelineEntry], statements: "_Statements"
) -> list[StepDocument]:
    """Return the steps in the order of their start times."""
    facts = _Facts()
    steps: list[StepDocument] = []
    # Threads of the request may add steps at this moment.
    for entry in tuple(entries):
        step = entry.step
        at_ms = round(observation.step_started_ms(step), 3)
        if step.kind == "log":
            document: StepDocument = {
                "kind": "log", "at_ms": at_ms, "text": step.text, "level": entry.level, "logger": step.source,
                "facts": facts.of(entry),
            }  # fmt: skip
            if entry.stack:
                document["stack"] = entry.stack
        else:
            document = {"kind": step.kind, "at_ms": at_ms, "duration_ms": round(step.duration_ms, 3)}
            if step.kind == "query":
                document["statement"] = statements.count(entry)
                if entry.error:
                    document["error"] = redact_text(entry.error)
            else:
                document["text"], document["source"] = step.text, step.source
        steps.append(document)
    steps.sort(key=lambda document: document["at_ms"])
    return steps


class _Facts:
    """Collects the facts of log lines until their total size exceeds the limit."""

    def __init__(self) -> None:
        self.left_bytes = MAX_FACT_BYTES

    def of(self, entry: TimelineEntry) -> dict[str, object]:
        if not entry.facts:
            return {}
        self.left_bytes -= len(to_json(dict(entry.facts)))
        if self.left_bytes < 0:
            return {"…": "not stored: the log lines of this request have too many facts"}
        return dict(entry.facts)


class _Statements:
    """Counts the statements of a request by fingerprint, database and origin."""

    def __init__(self) -> None:
        self._indexes: dict[tuple[str, str, QueryOrigin], int] = {}
        self._totals: list[tuple[int, float]] = []

    def count(self, entry: TimelineEntry) -> int:
        """Count a query. Return the index of its statement."""
        step = entry.step
        origin = entry.origin if isinstance(entry.origin, QueryOrigin) else UNKNOWN_ORIGIN
        index = self._indexes.setdefault((step.fingerprint, step.source, origin), len(self._indexes))
        if index == len(self._totals):
            self._totals.append((0, 0.0))
        count, duration_ms = self._totals[index]
        self._totals[index] = count + 1, duration_ms + step.duration_ms
        return index

    def to_list(self) -> list[StatementDocument]:
        return [
            {
                # If the project puts values into its SQL, the SQL may contain a secret.
                "text": _redact_sql(fingerprint),
                "summary": summarize(fingerprint),
                "database": database,
                "count": count,
                "duration_ms": round(duration_ms, 3),
                "origin": _describe_origin(origin),
                "hint": find_hint(fingerprint, origin) if count > 1 else "",
            }
            for ((fingerprint, database, origin), (count, duration_ms)) in zip(self._indexes, self._totals, strict=True)
        ]


@lru_cache(maxsize=1024)
def _redact_sql(fingerprint: str) -> str:
    return redact_text(normalize(fingerprint))


@lru_cache(maxsize=1024)
def _describe_origin(origin: QueryOrigin) -> OriginDocument:
    return {
        "lines": [str(line) for line in origin.source_lines],
        "field": str(origin.field) if origin.field is not None else "",
        "declared": find_field_declaration(origin.field) if origin.field is not None else "",
        "view": origin.view,
    }
