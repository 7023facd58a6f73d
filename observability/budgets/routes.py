"""Routes: the key of a request in the budget file, and the routes of the project that tests have to measure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver
from django.views import View

from observability.core.http_attributes import HttpAttributes
from observability.core.observation import Observation

# The project did not write the pages of these packages.
EXEMPT_PACKAGES = ("django.", "debug_toolbar.", "silk.")
# HEAD is measured as GET; the framework answers OPTIONS and TRACE.
MEASURED_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def route_key(http: HttpAttributes) -> str:
    """Return `METHOD route` of a request, with its path if no route matched. HEAD runs what GET does."""
    method = "GET" if http.method == "HEAD" else http.method
    return f"{method} {http.route or http.path}"


def find_request(observation: Observation | None) -> Observation | None:
    """Return the observation of the request that this observation is, or is a part of."""
    while observation is not None and observation.http is None:
        observation = observation.parent
    return observation


@dataclass(frozen=True)
class Route:
    """A route that tests have to measure with each of its methods; with any of them if `methods` is empty."""

    route: str
    methods: tuple[str, ...]
    view: str

    def find_unmeasured(self, measured: set[str]) -> list[str]:
        """Return the keys (`METHOD route`) that are not in `measured`."""
        missing = [f"{method} {self.route}" for method in self.methods]
        if self.methods:
            return [key for key in missing if key not in measured]
        is_measured = any(f"{method} {self.route}" in measured for method in MEASURED_METHODS)
        return [] if is_measured else [f"GET {self.route}"]


def find_routes(urlconf: str | None = None) -> list[Route]:
    """Return the routes of a URLconf, except those of the exempt packages."""
    return [route for route in _walk(get_resolver(urlconf), "") if not route.view.startswith(EXEMPT_PACKAGES)]


def _walk(resolver: URLResolver, prefix: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        route = _join(prefix, str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from _walk(entry, route)
        elif isinstance(entry, URLPattern):
            yield Route(f"/{route}", _find_methods(entry.callback), _view_name(entry.callback))


def _join(prefix: str, route: str) -> str:
    """Join two parts of a route as Django does for a ResolverMatch."""
    return prefix + route.removeprefix("^") if prefix else route


def _view_name(callback: Callable[..., object]) -> str:
    view = _view_class(callback) or callback
    return f"{view.__module__}.{getattr(view, '__qualname__', type(view).__qualname__)}"


def _find_methods(callback: Callable[..., object]) -> tuple[str, ...]:
    """Return the methods that a view answers; none if the view does not declare them."""
    view = _view_class(callback)
    if view is None:
        return ()
    allowed = {name.lower() for name in view.http_method_names}
    # A viewset of DRF: method and action.
    actions = getattr(callback, "actions", None)
    offered = set(actions) if actions is not None else {name for name in allowed if hasattr(view, name)}
    return tuple(method for method in MEASURED_METHODS if method.lower() in offered & allowed)


def _view_class(callback: Callable[..., object]) -> type[View] | None:
    """Return the class of a class-based view of DRF or Django."""
    view: type[View] | None = getattr(callback, "cls", None) or getattr(callback, "view_class", None)
    return view
