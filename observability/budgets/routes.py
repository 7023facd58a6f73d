"""Routes: the key of a request in the budget file, and the routes of the project that tests must measure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver
from django.views import View

from observability.core.http_attributes import HttpAttributes
from observability.core.observation import Observation

# The views of these packages are not the project's own code.
EXEMPT_PACKAGES = ("django.", "debug_toolbar.", "silk.")
# HEAD is measured as GET; the framework answers OPTIONS and TRACE.
MEASURED_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def route_key(http: HttpAttributes) -> str:
    """Return the key `METHOD route` of a request; with its path if no route matched. HEAD has the key of GET."""
    method = "GET" if http.method == "HEAD" else http.method
    return f"{method} {http.route or http.path}"


def find_request(observation: Observation | None) -> Observation | None:
    """Return this observation if it is a request, or the request around it, or None."""
    while observation is not None and observation.http is None:
        observation = observation.parent
    return observation


@dataclass(frozen=True)
class Route:
    """A route that tests must measure with each of its methods. If `methods` is empty, one method is enough."""

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
    """Join two parts of a route as Django does in `ResolverMatch.route`."""
    return prefix + route.removeprefix("^") if prefix else route


def _view_name(callback: Callable[..., object]) -> str:
    view = _view_class(callback) or callback
    return f"{view.__module__}.{getattr(view, '__qualname__', type(view).__qualname__)}"


def _find_methods(callback: Callable[..., object]) -> tuple[str, ...]:
    """Return the HTTP methods of a view; empty if the view does not declare them."""
    view = _view_class(callback)
    if view is None:
        return ()
    allowed = {name.lower() for name in view.http_method_names}
    # A viewset of DRF has a dict of HTTP methods and actions.
    actions = getattr(callback, "actions", None)
    offered = set(actions) if actions is not None else {name for name in allowed if hasattr(view, name)}
    return tuple(method for method in MEASURED_METHODS if method.lower() in offered & allowed)


def _view_class(callback: Callable[..., object]) -> type[View] | None:
    """Return the class of a class-based view of DRF or Django, or None."""
    view: type[View] | None = getattr(callback, "cls", None) or getattr(callback, "view_class", None)
    return view
