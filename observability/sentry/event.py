"""Complete Sentry events: add tags, contexts, breadcrumbs and the request, and redact secrets.

The SDK creates an event from an exception or a message. `complete_event` adds the data of the observation, and redacts
the whole event.
"""

import json
from contextlib import suppress
from logging import LogRecord
from typing import Any, cast
from urllib.parse import parse_qsl

from django.http import HttpRequest
from django.http.request import RawPostDataException
from sentry_sdk.types import Event, Hint

from observability.core.context import current
from observability.core.diagnostics import Diagnostics
from observability.core.http_attributes import HttpAttributes
from observability.core.measurements import work_keys
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.recorders.database import has_open_transaction
from observability.recorders.log_records import find_observation, record_facts
from observability.recorders.middleware import note_user
from observability.recorders.sql import parse_sql
from observability.redaction import redact
from observability.sentry.reporting import ReportedEvent, is_reported, is_response_record, mark_reported
from observability.text import safe_repr, safe_str

# Facts that separate issues: events with different values of these facts belong to different issues.
GROUPED_BY = ("budget.route",)
MAX_BODY_LENGTH = 8_192
MAX_PARAMETERS = 100
# In characters of JSON. Sentry rejects events of more than 1 MB
# (https://docs.sentry.io/concepts/data-management/size-limits).
MAX_FRAMES_LENGTH = 500_000
# The keys of a frame that are kept if other frames have used the space.
FRAME_LOCATION = ("filename", "abs_path", "module", "function", "lineno", "in_app")
# The keys of an event that never contain data of the application.
KEYS_WITHOUT_DATA = (
    "event_id",
    "timestamp",
    "level",
    "platform",
    "logger",
    "release",
    "environment",
    "server_name",
    "sdk",
)

_diagnostics = Diagnostics("sentry:")
_categories = {
    "query": "query",
    "http_client": "http",
    "log": "log",
    "commit": "transaction",
    "rollback": "transaction",
}


def complete_event(event: Event, hint: Hint) -> Event | None:
    """Implement the SDK's `before_send`: complete and redact the event; None if its failure was already reported.

    It is called for each event: of the handler, of the reader, of an integration or of the application. If
    `before_send` raises, the SDK drops the event. So if this fails, the event is sent with only its ids and the types
    of its exceptions.
    """
    try:
        return _complete(event, hint)
    except Exception as problem:  # noqa: BLE001 - an event that cannot be completed must not be lost
        _diagnostics.write(
            f"event {event.get('event_id')} is sent without its data, because it could not be completed: "
            f"{safe_repr(problem)}"
        )
        return _without_data(event)


def complete_transaction(event: Event, hint: Hint) -> Event | None:  # noqa: ARG001 - the SDK's signature
    """Implement the SDK's `before_send_transaction`: add the request, and redact the transaction."""
    observation = current()
    if observation is not None:
        _add_request(event, observation.root, None)
    return _redact_event(event)


def request_data(request: HttpRequest, http: HttpAttributes, error: BaseException | None) -> dict[str, object]:
    """Return the `request` of an event in the SDK's format, and record the user in `http` if it is known.

    It does not read a body that the application did not read, and does not load the user.
    """
    note_user(request, http)
    data: dict[str, object] = {
        "method": http.method,
        "url": f"{request.scheme}://{request.META.get('HTTP_HOST') or request.META.get('SERVER_NAME', '')}{http.path}",
        "headers": dict(request.headers),
        "query_string": [list(pair) for pair in _query_parameters(request)],
    }
    body = _body(request, error)
    if body is not None:
        data["data"] = body
    return data


def _complete(event: Event, hint: Hint) -> Event | None:
    error = cast("BaseException | None", (hint.get("exc_info") or (None, None))[1])
    record: LogRecord | None = hint.get("log_record")
    observation = _find_observation(hint)
    if error is not None:
        if is_reported(error, observation):
            return None
        # From here on an event is sent, even if `complete_event` has to send it without data.
        mark_reported(error, observation)
    if observation is not None:
        _store_event_id(observation, event["event_id"])
    if record is not None:
        _add_record(event, record, observation)
    if observation is not None:
        _add_observation(event, observation, error, record)
    return _redact_event(event)


def _without_data(event: Event) -> Event:
    """Return the event without data of the application, so without secrets; exceptions have only their types."""
    reduced: dict[str, object] = {name: part for name, part in event.items() if name in KEYS_WITHOUT_DATA}
    if exceptions := _exceptions_of(event):
        types = [{"type": each.get("type"), "module": each.get("module")} for each in exceptions]
        reduced["exception"] = {"values": types}
    return cast("Event", reduced)


def _find_observation(hint: Hint) -> Observation | None:
    found = hint.get("observation")
    if isinstance(found, Observation):
        return found
    record = hint.get("log_record")
    return find_observation(record) if record is not None else current()


def _store_event_id(observation: Observation, event_id: str) -> None:
    """Store the event id for the log lines of this observation and its parents. The first event of each is kept."""
    each: Observation | None = observation
    while each is not None:
        each.extensions.setdefault(ReportedEvent, ReportedEvent(event_id))
        each = each.parent


def _add_record(event: Event, record: LogRecord, observation: Observation | None) -> None:
    facts = record_facts(record, observation)
    event["extra"] = facts
    group = [str(facts[name]) for name in GROUPED_BY if name in facts]
    if is_response_record(record) and observation is not None:
        # Django uses the message "%s: %s" for the responses of all views, so it cannot separate issues.
        group = [str(facts.get("status_code")), _transaction_name(observation.root)]
        event["logentry"] = {"message": record.getMessage().partition(":")[0]}
    if group:
        event["fingerprint"] = ["{{ default }}", *group]


def _add_observation(
    event: Event, observation: Observation, error: BaseException | None, record: LogRecord | None
) -> None:
    """Add tags, transaction, breadcrumbs, extra facts, contexts and the request."""
    root = observation.root
    event["tags"] = {
        **(event.get("tags") or {}),
        "request_id": observation.request_id,
        "trace_id": observation.trace_id,
    }
    event["transaction"] = _transaction_name(root)
    event["breadcrumbs"] = {"values": [_breadcrumb(root, step) for step in _steps_before(root, record)]}
    event.setdefault("extra", {**root.facts, **observation.facts})
    contexts = event.setdefault("contexts", {})
    contexts["observation"] = _observation_context(observation)
    trace = {"trace_id": observation.trace_id, "span_id": observation.span_id}
    contexts["trace"] = {**contexts.get("trace", {}), **trace, "parent_span_id": observation.parent_span_id}
    _add_request(event, root, error)


def _add_request(event: Event, root: Observation, error: BaseException | None) -> None:
    http, request = root.http, root.request
    if http is None or request is None:
        return
    event["request"] = request_data(request, http, error)
    if http.user_id is not None:
        event["user"] = {"id": http.user_id}


def _transaction_name(root: Observation) -> str:
    """Return the route or path of a request, or the name of a command or span."""
    return (root.http.route or root.http.path) if root.http is not None else root.name


def _observation_context(observation: Observation) -> dict[str, object]:
    """Return the measurements until now. For a span, return those of its root, which include those of the span."""
    root = observation.root
    state = "open" if has_open_transaction() and not root.is_closed else root.transaction
    context: dict[str, object] = {"kind": root.kind, **work_keys(root), "db.transaction": state}
    if observation is not root:
        context["span.name"] = observation.name
    return context


def _steps_before(root: Observation, record: LogRecord | None) -> list[Step]:
    """Return the last steps, without the step of the log record that is reported."""
    steps = list(root.last_steps)
    if record is not None and steps and steps[-1][:3] == ("log", safe_str(record.msg), record.name):
        del steps[-1]
    return steps


def _breadcrumb(root: Observation, step: Step) -> dict[str, object]:
    data: dict[str, object] = {"source": step.source}
    if step.kind != "log":
        data["duration_ms"] = round(step.duration_ms, 3)
    return {
        "type": "http" if step.kind == "http_client" else "default",
        "category": _categories[step.kind],
        "message": step.text,
        "timestamp": root.step_ended_at(step),
        "level": "info",
        "data": data,
    }


def _query_parameters(request: HttpRequest) -> list[tuple[str, str]]:
    query = request.META.get("QUERY_STRING", "")
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return [("…", f"more than {MAX_PARAMETERS} parameters")]


def _body(request: HttpRequest, error: BaseException | None) -> object:
    """Return the redacted body, if a view read it; if it has more than 8,192 characters of JSON, as a cut text."""
    data = _body_read_by_drf(request, error)
    if data is None:
        data = _body_read_by_django(request)
    if data is None:
        return None
    body: object = redact(data)
    text = json.dumps(body, ensure_ascii=False)
    return body if len(text) <= MAX_BODY_LENGTH else f"{text[:MAX_BODY_LENGTH]}…"


def _body_read_by_drf(request: HttpRequest, error: BaseException | None) -> object:
    """Return the data that Django REST framework parsed, or None. It is on DRF's request object, found on the stack."""
    traceback = error.__traceback__ if error is not None else None
    while traceback is not None:
        candidate = traceback.tb_frame.f_locals.get("request")
        data = getattr(candidate, "__dict__", {}).get("_full_data")
        if isinstance(data, dict | list) and getattr(candidate, "_request", None) is request:
            return dict(data) if isinstance(data, dict) else data
        traceback = traceback.tb_next
    return None


def _body_read_by_django(request: HttpRequest) -> object:
    if "_post" in vars(request) and request.POST:
        return request.POST.dict()
    if "_body" not in vars(request):
        return None
    with suppress(ValueError, RecursionError, RawPostDataException):
        return cast("object", json.loads(request.body))
    return f"[{len(request.body)} bytes]" if request.body else None


def _redact_event(event: Event) -> Event:
    """Redact each part and each frame separately, so that each has its own limit of values."""
    redacted = {name: redact(part, name) for name, part in event.items() if name not in ("exception", "spans")}
    if "spans" in event:
        redacted["spans"] = [_redact_span(span) for span in cast("list[dict[str, object]]", event["spans"])]
    if "exception" in event:
        redacted["exception"] = {"values": _redact_exceptions(_exceptions_of(event))}
    return cast("Event", redacted)


def _redact_span(span: dict[str, object]) -> object:
    """Return a span without secrets. The name of the span of a query is its SQL, which gets placeholders."""
    sql = span.get("description")
    if isinstance(sql, str) and str(span.get("op", "")).startswith("db"):
        vendor = "mysql" if "mysql" in str(cast("Any", span.get("data") or {}).get("db.system")) else ""
        span = span | {"description": parse_sql(sql, vendor=vendor).text}
    return redact(span)


def _exceptions_of(event: Event) -> list[dict[str, Any]]:
    """Return the exceptions of an event. The protocol allows a list, or an object with the key `values`."""
    exceptions: Any = event.get("exception") or []
    return (exceptions.get("values") or []) if isinstance(exceptions, dict) else exceptions


def _redact_exceptions(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Redact exceptions and frames, and cut a frame to `FRAME_LOCATION` if the space is used up.

    The exceptions and frames nearest to the failure are at the end of each list; they get space first.
    """
    space_left = MAX_FRAMES_LENGTH
    exceptions = []
    for value in reversed(values):
        exception = redact({name: part for name, part in value.items() if name != "stacktrace"})
        frames = []
        for frame in reversed((value.get("stacktrace") or {}).get("frames") or ()):
            full = redact(frame)
            space_left -= len(json.dumps(full))
            frames.append(full if space_left >= 0 else {name: full[name] for name in FRAME_LOCATION if name in full})
        exceptions.append(exception | ({"stacktrace": {"frames": frames[::-1]}} if frames else {}))
    return exceptions[::-1]
