"""The toolbar panel with the log records of a request. No other module of this package imports the toolbar."""

from collections.abc import Iterable, Mapping

from debug_toolbar.panels import Panel
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from observability.core.observation import Observation
from observability.core.timeline import TimelineEntry
from observability.text import format_count, truncate

MAX_RECORDS = 200
MAX_FACTS_LENGTH = 500


class LogRecordsPanel(Panel):
    """Show the log records of a request: time, level, event, logger and keys.

    Records that are logged after the toolbar is rendered are missing, for example Django's record of a 404.
    """

    title = "Log records"
    is_async = True

    @property
    def nav_subtitle(self) -> str:
        stats = self.get_stats()  # type: ignore[no-untyped-call] # the toolbar's own
        if not stats:
            return ""
        count = format_count(stats["count"], "record")
        problems = format_count(stats["problems"], "warning or error", "warnings or errors")
        return f"{count}, {problems}" if stats["problems"] else count

    @property
    def content(self) -> SafeString:
        stats = self.get_stats()  # type: ignore[no-untyped-call] # the toolbar's own
        if not stats["rows"]:
            return format_html("<p>{}</p>", "The request has no log records.")
        rows = format_html_join(
            "", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>", stats["rows"]
        )
        hidden_count = stats["count"] - len(stats["rows"])
        return format_html(
            "<table><thead><tr><th>ms</th><th>Level</th><th>Event</th><th>Logger</th><th>Keys</th></tr></thead>"
            "<tbody>{}</tbody></table>{}",
            rows,
            format_html(
                "<p>{}.</p>", format_count(hidden_count, "earlier record is not shown", "earlier records are not shown")
            )
            if hidden_count
            else "",
        )

    def generate_stats(self, request: HttpRequest, response: HttpResponse) -> None:  # noqa: ARG002 - the toolbar's
        observation: Observation | None = getattr(request, "observation", None)
        if observation is None:
            return
        entries = [entry for entry in _timeline_entries(observation) if entry.step.kind == "log"]
        rows = [
            (
                f"{observation.step_started_ms(entry.step):.1f}",
                entry.level,
                entry.step.text,
                entry.step.source,
                _format_facts(entry.facts),
            )
            for entry in entries[:MAX_RECORDS]
        ]
        problems = sum(entry.level in ("warning", "error", "critical") for entry in entries)
        self.record_stats(  # type: ignore[no-untyped-call] # the toolbar's own
            {"count": len(entries), "problems": problems, "rows": rows}
        )


def _timeline_entries(observation: Observation) -> Iterable[TimelineEntry]:
    """Return all steps if the request is profiled, else the last steps, which have no levels and keys."""
    if observation.timeline is not None:
        return tuple(observation.timeline.entries)
    return [TimelineEntry(step) for step in observation.last_steps]


def _format_facts(facts: Mapping[str, object]) -> str:
    return truncate(" ".join(f"{name}={value!r}" for name, value in facts.items()), MAX_FACTS_LENGTH)
