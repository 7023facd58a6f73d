"""Records where the Python code of one call spends its time; the one module that imports pyinstrument."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from observability.profiler.flame.samples import samples_of
from observability.profiler.middleware import GetResponse, GetResponseAsync
from observability.profiler.profiles.document import encoded
from observability.profiler.profiles.profile import Profile
from observability.profiler.profiles.store import FLAME

if TYPE_CHECKING:
    from pyinstrument.profiler import AsyncMode

INTERVAL_S = 0.001
NOT_INSTALLED = "It has no flame graph, since pyinstrument is not installed: pip install pyinstrument."


def recorded(get_response: GetResponse, request: HttpRequest, profile: Profile) -> HttpResponseBase:
    """The response, while the stack of this thread is sampled about each millisecond.

    A streaming body, which is made later, is not in it. Where it cannot be recorded the profile has a notice that says
    why, and the call goes on.
    """
    with _recording(profile, "disabled"):
        return get_response(request)


async def recorded_async(get_response: GetResponseAsync, request: HttpRequest, profile: Profile) -> HttpResponseBase:
    """As `recorded`. A view that is synchronous runs in the thread that is sampled, with all that stands before it."""
    if _view_is_async(request):
        with _recording(profile, "enabled"):
            return await get_response(request)
    in_thread = cast("GetResponse", async_to_sync(cast("Callable[..., Awaitable[HttpResponseBase]]", get_response)))
    return await sync_to_async(recorded)(in_thread, request, profile)


@contextmanager
def _recording(profile: Profile, async_mode: "AsyncMode") -> Iterator[None]:
    try:
        from pyinstrument import Profiler  # noqa: PLC0415 - it is optional, and of use to few calls
    except ImportError:
        profile.notice = NOT_INSTALLED
        yield
        return
    profiler = Profiler(interval=INTERVAL_S, async_mode=async_mode)
    try:
        profiler.start()
    except (RuntimeError, ValueError) as error:
        # Another one of the project's own is running.
        profile.notice = f"It has no flame graph: {error}"
        yield
        return
    try:
        yield
    finally:
        profile.documents[FLAME] = encoded(samples_of(profiler.stop().frame_records, __file__))


def _view_is_async(request: HttpRequest) -> bool:
    try:
        view = resolve(request.path_info, getattr(request, "urlconf", None)).func
    except Resolver404:
        return False
    return iscoroutinefunction(view)
