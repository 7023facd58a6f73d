"""The log lines of a request as a panel of django-debug-toolbar 8; the one module of the room that imports it."""

from collections.abc import Iterable, Mapping

from debug_toolbar.panels import Panel
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from observability.core.observation import Observation
from observability.core.timeline import TimelineEntry

MAX_LINES = 200
MAX_KEYS_TEXT = 500


class LogLinesPanel(Panel):
    """The lines that were logged in the request: when, at which level, by which logger, and with which keys.

    What is logged after the toolbar has looked, such as Django's own line of an answer above 400, is not among them.
    """

    title = "Log lines"
    is_async = True

    @property
    def nav_subtitle(self) -> str:
        stats = self.get_stats()  # type: ignore[no-untyped-call] # the toolbar's own
        if not stats:
            return ""
        count = f"{stats['count']} line{'' if stats['count'] == 1 else 's'}"
        return f"{count}, {stats['problems']} from warning on" if stats["problems"] else count

    @property
    def content(self) -> SafeString:
        stats = self.get_stats()  # type: ignore[no-untyped-call] # the toolbar's own
        if not stats["lines"]:
            return format_html("<p>{}</p>", "Nothing was logged.")
        rows = format_html_join(
            "", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>", stats["lines"]
        )
        left_out = stats["count"] - len(stats["lines"])
        return format_html(
            "<table><thead><tr><th>ms</th><th>Level</th><th>Event</th><th>Logger</th><th>Keys</th></tr></thead>"
            "<tbody>{}</tbody></table>{}",
            rows,
            format_html("<p>{} more are not shown.</p>", left_out) if left_out else "",
        )

    def generate_stats(self, request: HttpRequest, response: HttpResponse) -> None:  # noqa: ARG002 - the toolbar's
        observation: Observation | None = getattr(request, "observation", None)
        if observation is None:
            return
        found = [detail for detail in _details(observation) if detail.step.kind == "log"]
        lines = [
            (
                f"{observation.step_started_ms(detail.step):.1f}",
                detail.level,
                detail.step.text,
                detail.step.source,
                _keys(detail.facts),
            )
            for detail in found[:MAX_LINES]
        ]
        problems = sum(detail.level in ("warning", "error", "critical") for detail in found)
        self.record_stats(  # type: ignore[no-untyped-call] # the toolbar's own
            {"count": len(found), "problems": problems, "lines": lines}
        )


def _details(observation: Observation) -> Iterable[TimelineEntry]:
    """All of them where somebody keeps them, or the last steps, without their level and keys."""
    if observation.timeline is not None:
        return tuple(observation.timeline.entries)
    return [TimelineEntry(step) for step in observation.last_steps]


def _keys(facts: Mapping[str, object]) -> str:
    written = " ".join(f"{name}={value!r}" for name, value in facts.items())
    return written if len(written) <= MAX_KEYS_TEXT else f"{written[:MAX_KEYS_TEXT]}…"
