"""Who may open the room's pages, and what they get: a person HTML, a program JSON."""

import sqlite3
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from observability.profiler.audience import is_from_developer
from observability.profiler.policy import policy
from observability.profiler.profiles.file import profile_path

View = Callable[..., HttpResponse]


def for_developers(view: View) -> View:
    """The view for developers alone, to read, outside of any transaction; for all others the address does not exist.

    That is so wherever DEBUG is off, whatever else is set, and for scripts of other origins that the developer visits.
    """
    read = require_safe(view)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ANN401 - the view's
        if not is_from_developer(request) or _is_script_of_others(request):
            raise Http404
        try:
            response = read(request, *args, **kwargs)
        except (sqlite3.Error, OSError) as error:
            response = sentence(request, f"{profile_path()} cannot be used: {error}.", HTTPStatus.SERVICE_UNAVAILABLE)
        response.headers.setdefault("Content-Security-Policy", policy())
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    for alias in connections:
        guarded = transaction.non_atomic_requests(using=alias)(guarded)
    # What an address refuses would tell that it is there.
    return login_not_required(csrf_exempt(never_cache(guarded)))


def sentence(request: HttpRequest, text: str, status: int) -> HttpResponse:
    """A page, or JSON, that has one sentence to say."""
    return answer(request, "sentence", {"sentence": text}, lambda: {"error": text}, status)


def _is_script_of_others(request: HttpRequest) -> bool:
    site, mode = request.headers.get("Sec-Fetch-Site"), request.headers.get("Sec-Fetch-Mode")
    # Another port of this machine is the same site, and another origin; `none` is what a person types.
    return site in ("cross-site", "same-site") and mode != "navigate"


def wants_json(request: HttpRequest) -> bool:
    """Whether a program asks: it names no HTML among what it accepts, as every browser does."""
    return "text/html" not in request.headers.get("Accept", "")


def answer(
    request: HttpRequest, template: str, context: dict[str, Any], told: Callable[[], dict[str, Any]], status: int = 200
) -> HttpResponse:
    """The page of a template, or what it tells a program, which is made only for one."""
    if wants_json(request):
        response: HttpResponse = JsonResponse(told(), status=status, json_dumps_params={"indent": 2})
    else:
        response = render(request, f"observability/profiler/{template}.html", context, status=status)
    response.headers["Vary"] = "Accept"
    return response
