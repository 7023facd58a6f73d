"""How the pages write times, statuses and outcomes."""

from datetime import UTC, datetime
from http import HTTPStatus

from django import template

from observability.profiler.profiles.store import Row

register = template.Library()


@register.filter
def ms(value: float | None) -> str:
    """Milliseconds in as many digits as say something; nothing for None."""
    if value is None:
        return ""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:,.0f}"  # noqa: PLR2004


@register.filter
def amount(value: float | None) -> str:
    """A number that may be a time."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else ms(value)


@register.filter
def clock(row: Row) -> str:
    """The time of the day at which a call began, as the machine has it."""
    return datetime.fromtimestamp(row.started_at, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


@register.filter
def moment(row: Row) -> str:
    """The date and the time at which a call began, as the machine has them."""
    return datetime.fromtimestamp(row.started_at, UTC).astimezone().isoformat(sep=" ", timespec="milliseconds")


@register.filter
def outcome(row: Row) -> str:
    """`failed`, `refused` or `ok`, by the status; a call that failed although it answered has failed."""
    status = row.status or 0
    if row.failed or status >= HTTPStatus.INTERNAL_SERVER_ERROR or not status:
        return "failed"
    return "refused" if status >= HTTPStatus.BAD_REQUEST else "ok"


@register.filter
def phrase(status: int) -> str:
    """What a status means, or nothing for one that nobody defined."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


@register.filter
def words(value: str | None) -> str:
    """`rolled_back` as words."""
    return (value or "").replace("_", " ")
