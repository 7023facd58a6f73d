"""The panel for django-debug-toolbar 8 with the query budget of a request. Only this module imports the toolbar."""

from debug_toolbar.panels import Panel
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from observability.budgets.query_collector import count_framework_queries
from observability.budgets.reader import BudgetState
from observability.core.observation import Observation
from observability.recorders.sql import summarize
from observability.text import format_count


class QueryBudgetPanel(Panel):
    """Show the number of application queries, the budget of the route, and how often each statement ran."""

    title = "Query budget"
    nav_title = "Budget"
    is_async = True

    @property
    def nav_subtitle(self) -> str:
        stats = self.get_stats()  # type: ignore[no-untyped-call] # the toolbar's own
        if not stats:
            return ""
        queries = format_count(stats["count"], "query", "queries")
        return f"{queries}, {'no budget' if stats['budget'] is None else 'budget ' + str(stats['budget'])}"

    @property
    def content(self) -> SafeString:
        stats = self.get_stats()  # type: ignore[no-untyped-call] # the toolbar's own
        budget = "no budget" if stats["budget"] is None else f"budget {stats['budget']}"
        rows = format_html_join("", "<tr><td>{}</td><td><code>{}</code></td></tr>", stats["statements"])
        verdict = " (exceeded)" if stats["over_budget"] else ""
        queries = format_count(stats["count"], "application query", "application queries")
        framework = format_count(stats["framework"], "framework query", "framework queries")
        return format_html(
            "<p>{}</p><table><thead><tr><th>Count</th><th>Statement</th></tr></thead><tbody>{}</tbody></table>",
            f"{queries}, {budget}{verdict}; {framework} (not counted)",
            rows,
        )

    def generate_stats(self, request: HttpRequest, response: HttpResponse) -> None:  # noqa: ARG002 - the toolbar's
        observation: Observation | None = getattr(request, "observation", None)
        if observation is None:
            return
        state = BudgetState.find(observation)
        framework = count_framework_queries(observation.fingerprints)
        self.record_stats(  # type: ignore[no-untyped-call] # the toolbar's own
            {
                "count": observation.query_count - framework,
                "framework": framework,
                "budget": None if state is None else state.query_budget,
                "over_budget": state is not None and state.is_over_budget,
                "statements": [(number, summarize(each)) for each, number in _most_frequent_first(observation)],
            }
        )


def _most_frequent_first(observation: Observation) -> list[tuple[str, int]]:
    return sorted(observation.fingerprints.items(), key=lambda item: -item[1])
