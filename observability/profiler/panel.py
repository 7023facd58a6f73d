"""Panels of django-debug-toolbar 8 that show parts of a call's page: transactions, repeated queries, the flame graph.

They keep the id of the call's profile alone, and read the rest from its document: what the page of the call shows they
show too, in whichever process.
"""

from typing import Any

from debug_toolbar.panels import Panel
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from observability.profiler.addresses import REQUEST
from observability.profiler.flame.graph import FlameGraph
from observability.profiler.pages.call import Call, load
from observability.profiler.pages.happenings import happenings
from observability.profiler.pages.transaction import KINDS, meaning
from observability.profiler.profiles.profile import Profile, profile_of
from observability.profiler.profiles.store import FLAME, store


class ProfilePanel(Panel):
    """A panel that reads the profile of its call when it is opened."""

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
        call = None if row is None else load(row)
        if call is None or not call.is_over:
            return render_to_string("observability/profiler/panels/none.html", {"is_running": call is not None})
        return render_to_string(self.template, {"address": reverse(REQUEST, args=[call.row.id])} | self.context(call))

    def context(self, call: Call) -> dict[str, Any]:
        """What the template shows of the call."""
        raise NotImplementedError

    def subtitle(self, profile: Profile) -> str:
        """What the list of panels says of a call under way."""
        raise NotImplementedError

    def generate_stats(self, request: HttpRequest, response: HttpResponse) -> None:  # noqa: ARG002 - the toolbar's
        profile = profile_of(getattr(request, "observation", None))
        if profile is not None:
            self.record_stats(  # type: ignore[no-untyped-call] # the toolbar's own
                {"profile_id": profile.id, "subtitle": self.subtitle(profile)}
            )


class TransactionPanel(ProfilePanel):
    """What became of the transactions and savepoints, and whether what was written is stored."""

    title = "Transaction"
    template = "observability/profiler/panels/transaction.html"

    def subtitle(self, profile: Profile) -> str:
        return profile.observation.transaction.replace("_", " ")

    def context(self, call: Call) -> dict[str, Any]:
        steps = [each for each in happenings(call) if each.kind in KINDS]
        return {"meaning": meaning(call), "steps": steps}


class RepeatedQueriesPanel(ProfilePanel):
    """The statements that ran more than once for one reason, with the line and the field that caused them."""

    title = "Repeated queries"
    nav_title = "Repeated"
    template = "observability/profiler/panels/repeated.html"

    def subtitle(self, profile: Profile) -> str:
        count = profile.observation.repeated_count
        return f"one statement {count}×" if count > 1 else "none"

    def context(self, call: Call) -> dict[str, Any]:
        return {"repeated": call.repeated}


class FlameGraphPanel(ProfilePanel):
    """Where the Python code spent its time, of a call that asked for it."""

    title = "Flame graph"
    template = "observability/profiler/panels/flame.html"

    def subtitle(self, profile: Profile) -> str:
        return "recorded" if FLAME in profile.documents else "by ?profile"

    def context(self, call: Call) -> dict[str, Any]:
        samples = call.flame_samples
        return {"flame": None if samples is None else FlameGraph(samples), "notice": call.document["notice"]}
