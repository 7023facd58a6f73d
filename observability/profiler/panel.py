"""Panels for django-debug-toolbar 8 with parts of the request page: transactions, repeated queries, flame graph.

A panel stores only the id of the profile, and reads the document when it is opened. So each process can show it.
"""

from collections.abc import Mapping

from debug_toolbar.panels import Panel
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from observability.profiler.flame_graph import FlameGraph
from observability.profiler.links import REQUEST_PAGE
from observability.profiler.pages.request_page import TRANSACTION_KINDS, describe_transaction
from observability.profiler.pages.timeline import list_steps
from observability.profiler.profile import Profile, ensure_profile
from observability.profiler.profile_store import FLAME, StoredProfile, store


class ProfilePanel(Panel):
    """A panel that loads the profile of its request when it is opened."""

    is_async = True
    template: str

    @property
    def nav_subtitle(self) -> str:
        stats = self.get_stats()  # type: ignore[no-untyped-call] # the toolbar's own
        return str(stats.get("subtitle", ""))

    @property
    def content(self) -> str:
        stats = self.get_stats()  # type: ignore[no-untyped-call] # the toolbar's own
        row = store().row(stats["profile_id"]) if stats else None
        profile = None if row is None else store().load(row)
        if profile is None or not profile.is_closed:
            return render_to_string("observability/profiler/panels/none.html", {"is_running": profile is not None})
        context = {"url": reverse(REQUEST_PAGE, args=[profile.row.id]), **self.context(profile)}
        return render_to_string(self.template, context)

    def context(self, profile: StoredProfile) -> Mapping[str, object]:
        """Return the context of the template."""
        raise NotImplementedError

    def subtitle(self, profile: Profile) -> str:
        """Return the text for the list of panels. It is called before the request has ended."""
        raise NotImplementedError

    def generate_stats(self, request: HttpRequest, response: HttpResponse) -> None:  # noqa: ARG002 - the toolbar's
        profile = ensure_profile(getattr(request, "observation", None))
        if profile is not None:
            self.record_stats(  # type: ignore[no-untyped-call] # the toolbar's own
                {"profile_id": profile.id, "subtitle": self.subtitle(profile)}
            )


class TransactionPanel(ProfilePanel):
    """Shows how transactions and savepoints ended, and whether the changes are stored."""

    title = "Transaction"
    template = "observability/profiler/panels/transaction.html"

    def subtitle(self, profile: Profile) -> str:
        return profile.observation.transaction.replace("_", " ")

    def context(self, profile: StoredProfile) -> Mapping[str, object]:
        steps = [step for step in list_steps(profile.document) if step.kind in TRANSACTION_KINDS]
        return {"description": describe_transaction(profile), "steps": steps}


class RepeatedQueriesPanel(ProfilePanel):
    """Shows the statements that ran more than once for the same origin, with the line and the field of the origin."""

    title = "Repeated queries"
    nav_title = "Repeated"
    template = "observability/profiler/panels/repeated.html"

    def subtitle(self, profile: Profile) -> str:
        count = profile.observation.repeated_count
        return f"the same query {count}×" if count > 1 else "none"

    def context(self, profile: StoredProfile) -> Mapping[str, object]:
        return {"statements": profile.repeated_statements}


class FlameGraphPanel(ProfilePanel):
    """Shows the flame graph of the Python code, if the request has one."""

    title = "Flame graph"
    template = "observability/profiler/panels/flame.html"

    def subtitle(self, profile: Profile) -> str:
        return "recorded" if FLAME in profile.documents else "add ?profile"

    def context(self, profile: StoredProfile) -> Mapping[str, object]:
        samples = profile.load_flame_samples()
        return {"flame": None if samples is None else FlameGraph(samples), "notice": profile.document["notice"]}
