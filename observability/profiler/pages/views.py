"""The views of the profiler's pages, for developers only: HTML for browsers, JSON for programs."""

import sqlite3
from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_not_required
from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from observability.profiler.flame_graph import to_speedscope
from observability.profiler.pages.comparison import Comparison
from observability.profiler.pages.request_list import FilterForm, to_summary
from observability.profiler.pages.request_page import request_context, to_dict
from observability.profiler.profile_file import profile_path
from observability.profiler.profile_store import MAX_PROFILES, StoredProfile, store
from observability.profiler.visibility import content_security_policy, is_from_developer

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def for_developers(view: View[P]) -> View[P]:
    """Restrict a view to GET and HEAD requests of developers. Other clients get a 404. It runs outside of transactions.

    All clients get a 404 if DEBUG is off. Scripts of other origins, which a developer may visit, get a 404 too.
    """
    read = require_safe(view)

    @wraps(view)
    def restricted(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not is_from_developer(request) or _is_from_other_origin(request):
            raise Http404
        try:
            response = read(request, *args, **kwargs)
        except (sqlite3.Error, OSError) as error:
            text = f"{profile_path()} cannot be used: {error}."
            response = _respond_error(request, text, HTTPStatus.SERVICE_UNAVAILABLE)
        response.headers.setdefault("Content-Security-Policy", content_security_policy())
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    for alias in connections:
        restricted = transaction.non_atomic_requests(using=alias)(restricted)
    # A redirect to the login page or a CSRF error would reveal that the URL exists.
    return login_not_required(csrf_exempt(never_cache(restricted)))


@for_developers
def requests(request: HttpRequest) -> HttpResponse:
    """List the last requests of all processes, newest first. Filters: `path`, `status`, `min_ms`, `request_id`."""
    form = FilterForm.from_query(request.GET)
    rows = store().rows(form.to_filter())
    context = {"rows": rows, "form": form, "url": request.get_full_path()}
    status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
    return _respond(
        request, "requests", context, lambda: {"requests": list(map(to_summary, rows)), "errors": form.errors}, status
    )


@for_developers
def latest(request: HttpRequest) -> HttpResponse:
    """Show the newest request. The URL does not change, so a reload shows a newer request."""
    row = next(iter(store().rows(limit=1)), None)
    if row is None:
        return _respond_error(
            request, "No request is stored yet. Send a request to the service, then reload this page."
        )
    return _respond_profile(request, store().load(row))


@for_developers
def request(request: HttpRequest, profile_id: str) -> HttpResponse:
    """Show one request."""
    row = store().row(profile_id)
    if row is None:
        return _respond_error(
            request, f"Request {profile_id} is not stored. Only the last {MAX_PROFILES} requests are kept."
        )
    return _respond_profile(request, store().load(row))


@for_developers
def comparison(request: HttpRequest, first_id: str, second_id: str) -> HttpResponse:
    """Show two requests side by side."""
    rows = [store().row(each) for each in (first_id, second_id)]
    missing = [each for each, row in zip((first_id, second_id), rows, strict=True) if row is None]
    if missing:
        text = f"Not stored: {' and '.join(missing)}. Only the last {MAX_PROFILES} requests are kept."
        return _respond_error(request, text)
    compared = Comparison(*(store().load(row) for row in rows if row is not None))
    return _respond(request, "comparison", {"comparison": compared}, compared.to_dict)


@for_developers
def speedscope_file(request: HttpRequest, profile_id: str) -> HttpResponse:
    """Download the flame graph of a request as a file for speedscope."""
    row = store().row(profile_id)
    samples = None if row is None else store().load(row).load_flame_samples()
    if row is None or samples is None:
        text = f"Request {profile_id} has no flame graph. Send it with ?profile or the header X-Profile to record one."
        return _respond_error(request, text)
    response = JsonResponse(to_speedscope(samples, f"{row.method} {row.path}"))
    response.headers["Content-Disposition"] = f'attachment; filename="{row.id}.speedscope.json"'
    return response


def _is_from_other_origin(request: HttpRequest) -> bool:
    """Return whether a script of another origin has sent the request."""
    site, mode = request.headers.get("Sec-Fetch-Site"), request.headers.get("Sec-Fetch-Mode")
    # Another port of this machine is the same site, but another origin. `none` means a URL that a user has typed.
    return site in ("cross-site", "same-site") and mode != "navigate"


def _respond_profile(request: HttpRequest, profile: StoredProfile) -> HttpResponse:
    return _respond(request, "request", request_context(request, profile), lambda: to_dict(profile))


def _respond_error(request: HttpRequest, text: str, status: int = HTTPStatus.NOT_FOUND) -> HttpResponse:
    return _respond(request, "error", {"text": text}, lambda: {"error": text}, status)


def _respond(
    request: HttpRequest,
    template: str,
    context: Mapping[str, object],
    to_json: Callable[[], Mapping[str, object]],
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    """Return the page of a template, or JSON if the client does not accept HTML. Browsers accept HTML."""
    if "text/html" in request.headers.get("Accept", ""):
        response = render(request, f"observability/profiler/{template}.html", context, status=status)
    else:
        response = JsonResponse(to_json(), status=status, json_dumps_params={"indent": 2})
    response.headers["Vary"] = "Accept"
    return response
