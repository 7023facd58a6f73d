"""What an event says: what the observation knows of the work, and the request as it was; nothing secret."""

from collections.abc import Mapping
from logging import LogRecord
from typing import Any, cast

from sentry_sdk.types import Event, Hint

from observability.core.context import current
from observability.core.diagnostics import Diagnostics
from observability.core.measurements import work_keys
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.recorders.database import has_open_transaction
from observability.recorders.log_records import find_observation, record_facts
from observability.sentry.event_redaction import exceptions_of, without_secrets
from observability.sentry.failure import ReportedEvent, is_reported, mark_reported
from observability.sentry.reporting import is_answer
from observability.sentry.request import request_data
from observability.text import safe_repr, safe_str

# Facts that tell apart what has one name: each of their values is an issue of its own.
GROUPED_BY = ("budget.route",)
BARE = ("event_id", "timestamp", "level", "platform", "logger", "release", "environment", "server_name", "sdk")

_diagnostics = Diagnostics("sentry:")
_categories = {
    "query": "query",
    "http_client": "http",
    "log": "log",
    "commit": "transaction",
    "rollback": "transaction",
}


def complete_event(event: Event, hint: Hint) -> Event | None:
    """The SDK's `before_send`: the event with what is known of the work, or None where its failure was reported.

    Everything that is sent passes here, whoever captured it: the handler, the reader, an integration or the project.
    The SDK drops an event whose `before_send` raises: then the types of its exceptions and its ids leave alone.
    """
    try:
        return _completed(event, hint)
    except Exception as problem:  # noqa: BLE001 - the failure that is reported matters more than one in its report
        _diagnostics.write(f"an event cannot be completed: {safe_repr(problem)}")
        return _bare(cast("dict[str, Any]", event))


def _bare(event: dict[str, Any]) -> Event:
    """What of an event is no value of the work, and so holds no secret."""
    kept = {name: event[name] for name in BARE if name in event}
    exceptions = exceptions_of(event)
    types = {"values": [{"type": each.get("type"), "module": each.get("module")} for each in exceptions]}
    return cast("Event", kept | ({"exception": types} if exceptions else {}))


def _completed(event: Event, hint: Hint) -> Event | None:
    error = cast("BaseException | None", (hint.get("exc_info") or (None, None))[1])
    observation = _observation_of(hint)
    if error is not None and is_reported(error, observation):
        return None
    fields = cast("dict[str, Any]", event)
    # It leaves whatever follows, bare at the least.
    if error is not None:
        mark_reported(error, observation)
    if observation is not None:
        _remember(observation, fields["event_id"])
    if "log_record" in hint:
        _add_record(fields, hint, observation)
    if observation is not None:
        _add_observation(fields, observation, error, hint.get("log_record"))
    return cast("Event", without_secrets(fields))


def complete_transaction(event: Event, hint: Hint) -> Event | None:  # noqa: ARG001 - the SDK's signature
    """The SDK's `before_send_transaction`: what it measured, without secrets."""
    fields = cast("dict[str, Any]", event)
    observation = current()
    if observation is not None and observation.root.http is not None:
        _add_request(fields, observation.root, None)
    return cast("Event", without_secrets(fields))


def _observation_of(hint: Hint) -> Observation | None:
    found = hint.get("observation")
    if isinstance(found, Observation):
        return found
    record = hint.get("log_record")
    return find_observation(record) if record is not None else current()


def _remember(observation: Observation, event_id: str) -> None:
    """Let the lines of the work, and of all work around it, name their event; the first one stands."""
    each: Observation | None = observation
    while each is not None:
        each.extensions.setdefault(ReportedEvent, ReportedEvent(event_id))
        each = each.parent


def _add_record(event: dict[str, Any], hint: Hint, observation: Observation | None) -> None:
    record = hint["log_record"]
    facts = record_facts(record, observation)
    event["extra"] = facts
    apart = [str(facts[name]) for name in GROUPED_BY if name in facts]
    if is_answer(record) and observation is not None:
        # "%s: %s" of Django is one text for all that any view ever answers.
        apart = [str(facts.get("status_code")), _transaction_of(observation.root)]
        event["logentry"] = {"message": record.getMessage().partition(":")[0]}
    if apart:
        event["fingerprint"] = ["{{ default }}", *apart]


def _add_observation(
    event: dict[str, Any], observation: Observation, error: BaseException | None, record: LogRecord | None
) -> None:
    root = observation.root
    event["tags"] = {
        **cast("Mapping[str, Any]", event.get("tags") or {}),
        "request_id": observation.request_id,
        "trace_id": observation.trace_id,
    }
    event["transaction"] = _transaction_of(root)
    event["breadcrumbs"] = {"values": [_breadcrumb(root, step) for step in _steps_before(root, record)]}
    event.setdefault("extra", {**root.facts, **observation.facts})
    contexts = event.setdefault("contexts", {})
    contexts["observation"] = _context_of(observation)
    trace = {"trace_id": observation.trace_id, "span_id": observation.span_id}
    contexts["trace"] = {**contexts.get("trace", {}), **trace, "parent_span_id": observation.parent_span_id}
    if root.http is not None:
        _add_request(event, root, error)


def _transaction_of(root: Observation) -> str:
    """The route of a request, or the name of other work."""
    return (root.http.route or root.http.path) if root.http is not None else root.name


def _context_of(observation: Observation) -> dict[str, Any]:
    """The numbers of the work until now. Of a block within a request, the request's: they count the block's."""
    root = observation.root
    fate = "open" if has_open_transaction() and not root.is_closed else root.transaction
    keys = {"kind": root.kind, **work_keys(root), "db.transaction": fate}
    if observation is not root:
        keys["span.name"] = observation.name
    return keys


def _steps_before(root: Observation, record: LogRecord | None) -> list[Step]:
    """The trail of the work, without the record that is reported itself."""
    steps = list(root.last_steps)
    if record is not None and steps and steps[-1][:3] == ("log", safe_str(record.msg), record.name):
        del steps[-1]
    return steps


def _breadcrumb(root: Observation, step: Step) -> dict[str, Any]:
    data: dict[str, Any] = {"source": step.source}
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


def _add_request(event: dict[str, Any], root: Observation, error: BaseException | None) -> None:
    http = root.http
    request = root.request
    if http is None or request is None:
        return
    event["request"] = request_data(request, http, error)
    if http.user_id is not None:
        event["user"] = {"id": http.user_id}
