"""Stored profiles for the tests of the pages."""

from collections.abc import Sequence
from typing import Any, cast

from observability.core.steps import StepKind
from observability.profiler.profile_document import (
    EMPTY_DOCUMENT,
    OriginDocument,
    ProfileDocument,
    StatementDocument,
    StepDocument,
)
from observability.profiler.profile_store import COLUMNS, ProfileRow, StoredProfile

NO_ORIGIN: OriginDocument = {"lines": [], "field": "", "declared": "", "view": ""}


def row(**values: Any) -> ProfileRow:  # noqa: ANN401 - a value for each column
    known: dict[str, Any] = dict.fromkeys(COLUMNS) | {
        "number": 1,
        "id": "a",
        "request_id": "request-a",
        "is_running": False,
        "process": 1,
        "started_at": 0.0,
        "method": "GET",
        "path": "/books/",
        "status": 200,
        "transaction": "none",
    }
    return ProfileRow(**known | values)


def statement(
    text: str,
    count: int = 1,
    duration_ms: float = 1.0,
    database: str = "default",
    origin: OriginDocument = NO_ORIGIN,
) -> StatementDocument:
    return {
        "text": text,
        "summary": text,
        "database": database,
        "count": count,
        "duration_ms": duration_ms,
        "origin": origin,
        "hint": "",
    }


def query(at_ms: float, number: int, duration_ms: float = 1.0, error: str = "") -> StepDocument:
    step: StepDocument = {"kind": "query", "at_ms": at_ms, "duration_ms": duration_ms, "statement": number}
    return {**step, "error": error} if error else step


def step(kind: str, at_ms: float, source: str = "default", duration_ms: float = 0.5) -> StepDocument:
    known_kind = cast("StepKind", kind)
    return {"kind": known_kind, "at_ms": at_ms, "text": kind.upper(), "source": source, "duration_ms": duration_ms}


def profile(
    steps: Sequence[StepDocument] = (),
    statements: Sequence[StatementDocument] = (),
    **values: Any,  # noqa: ANN401 - a value for each column
) -> StoredProfile:
    document: ProfileDocument = {**EMPTY_DOCUMENT, "steps": list(steps), "statements": list(statements)}
    return StoredProfile(row(**values), document)


def changed(profile: StoredProfile, **changes: object) -> StoredProfile:
    """Return the profile with other values in its document."""
    return StoredProfile(profile.row, cast("ProfileDocument", {**profile.document, **changes}))
