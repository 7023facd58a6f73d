"""The views of the room's pages."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse

from observability.profiler.flame.speedscope import speedscope
from observability.profiler.pages.access import answer, for_developers, sentence
from observability.profiler.pages.call import Call, load, summary, whole
from observability.profiler.pages.comparison import Comparison
from observability.profiler.pages.filters import Filters
from observability.profiler.pages.page import call_context
from observability.profiler.profiles.store import store


@for_developers
def requests(request: HttpRequest) -> HttpResponse:
    """The last calls of all processes, newest first; `path`, `status`, `min_ms` and `request_id` choose among them."""
    filters = Filters.of(request.GET)
    rows = store().rows(filters.wanted())
    context = {"rows": rows, "filters": filters, "here": request.get_full_path()}
    told = lambda: {"requests": [summary(row) for row in rows], "errors": filters.errors}  # noqa: E731
    return answer(request, "requests", context, told, HTTPStatus.BAD_REQUEST if filters.errors else HTTPStatus.OK)


@for_developers
def latest(request: HttpRequest) -> HttpResponse:
    """The newest call; the address stays, so that a reload shows the next one."""
    row = next(iter(store().rows(limit=1)), None)
    if row is None:
        return _missing(request, "No call was recorded yet.")
    return _page_of(request, load(row))


@for_developers
def request(request: HttpRequest, profile_id: str) -> HttpResponse:
    """One call, whole."""
    row = store().row(profile_id)
    if row is None:
        return _missing(request, f"There is no call {profile_id}: the last 500 are kept.")
    return _page_of(request, load(row))


@for_developers
def comparison(request: HttpRequest, first_id: str, second_id: str) -> HttpResponse:
    """Two calls side by side."""
    rows = [store().row(each) for each in (first_id, second_id)]
    missing = [each for each, row in zip((first_id, second_id), rows, strict=True) if row is None]
    if missing:
        return _missing(request, f"There is no call {' and no call '.join(missing)}: the last 500 are kept.")
    compared = Comparison(*(load(row) for row in rows if row is not None))
    return answer(request, "comparison", {"comparison": compared}, compared.told)


@for_developers
def speedscope_file(request: HttpRequest, profile_id: str) -> HttpResponse:
    """The flame graph of a call, to be opened by speedscope."""
    row = store().row(profile_id)
    samples = None if row is None else load(row).flame_samples
    if row is None or samples is None:
        return _missing(request, f"There is no flame graph of a call {profile_id}: ?profile or X-Profile records one.")
    response = JsonResponse(speedscope(samples, f"{row.method} {row.path}"))
    response.headers["Content-Disposition"] = f'attachment; filename="{row.id}.speedscope.json"'
    return response


def _page_of(request: HttpRequest, call: Call) -> HttpResponse:
    return answer(request, "request", call_context(request, call), lambda: whole(call))


def _missing(request: HttpRequest, text: str) -> HttpResponse:
    return sentence(request, text, HTTPStatus.NOT_FOUND)
