"""Template filters that format times, statuses and outcomes."""

from datetime import UTC, datetime
from http import HTTPStatus

from django import template

from observability.profiler.pages.timeline import label_of_kind
from observability.profiler.profile_store import ProfileRow

register = template.Library()


@register.filter
def ms(value: float | None) -> str:
    """Format milliseconds with about three digits; empty for None."""
    if value is None:
        return ""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:,.0f}"  # noqa: PLR2004


@register.filter
def amount(value: float | None) -> str:
    """Format an integer or a duration."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else ms(value)


@register.filter
def clock(row: ProfileRow) -> str:
    """Format the start time of a request as the local time of day."""
    return datetime.fromtimestamp(row.started_at, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


@register.filter
def moment(row: ProfileRow) -> str:
    """Format the start time of a request as the local date and time."""
    return datetime.fromtimestamp(row.started_at, UTC).astimezone().isoformat(sep=" ", timespec="milliseconds")


@register.filter
def outcome(row: ProfileRow) -> str:
    """Return the CSS class of a request: `failed` (also after the response started), `refused` (4xx) or `ok`."""
    status = row.status or 0
    if row.failed or status >= HTTPStatus.INTERNAL_SERVER_ERROR or not status:
        return "failed"
    return "refused" if status >= HTTPStatus.BAD_REQUEST else "ok"


@register.filter
def phrase(status: int) -> str:
    """Return the reason phrase of a status; empty for an undefined status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


@register.filter
def words(value: str | None) -> str:
    """Format a name as words: `rolled_back` becomes `rolled back`."""
    return (value or "").replace("_", " ")


@register.filter
def label(kind: str) -> str:
    """Format the kind of a step in words."""
    return label_of_kind(kind)
