"""The middleware that hears what each call of a developer sends and gets."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from observability.profiler.audience import silk_of, wants_flame_graph, wants_silk
from observability.profiler.flame.recorder import recorded, recorded_async
from observability.profiler.middleware import GetResponse, GetResponseAsync, Middleware
from observability.profiler.profiles.profile import Profile, profile_of


class ProfileMiddleware(Middleware):
    """Begins the profile of a call, and keeps its request, the response that a program gets, and where its time went.

    It stands after the middleware of the JSON page, which shows something else than what a program gets.
    """

    def call(self, request: HttpRequest) -> HttpResponseBase:
        get_response: GetResponse = self.get_response
        profile = _begun(request)
        if profile is None:
            return get_response(request)
        response = recorded(get_response, request, profile) if wants_flame_graph(request) else get_response(request)
        profile.exchange.answered(response)
        return response

    async def call_async(self, request: HttpRequest) -> HttpResponseBase:
        get_response: GetResponseAsync = self.get_response
        profile = _begun(request)
        if profile is None:
            return await get_response(request)
        is_sampled = wants_flame_graph(request)
        response = await (recorded_async(get_response, request, profile) if is_sampled else get_response(request))
        profile.exchange.answered(response)
        return response


def _begun(request: HttpRequest) -> Profile | None:
    profile = profile_of(getattr(request, "observation", None))
    if profile is not None:
        profile.repeat_of = silk_of(request) if wants_silk(request) else None
        profile.exchange.listen(request)
    return profile
