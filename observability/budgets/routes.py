"""The routes of the project, which tests have to measure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

# Pages that come with a package and that the project did not write.
EXEMPT_PACKAGES = ("django.", "debug_toolbar.", "silk.")
# HEAD is measured as GET; OPTIONS and TRACE answer for the framework.
MEASURED_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Route:
    """A route that has to be measured: with each of its methods, or with any where the view does not tell them."""

    route: str
    methods: tuple[str, ...]
    view: str

    def unmeasured(self, measured: set[str]) -> list[str]:
        """Its `METHOD route` that are not among the measured ones."""
        missing = [f"{method} {self.route}" for method in self.methods]
        if self.methods:
            return [key for key in missing if key not in measured]
        is_measured = any(f"{method} {self.route}" in measured for method in MEASURED_METHODS)
        return [] if is_measured else [f"GET {self.route}"]


def routes(urlconf: str | None = None) -> list[Route]:
    """The routes whose views are the project's, or another package's beside those that are exempt."""
    return [route for route in _walk(get_resolver(urlconf), "") if not route.view.startswith(EXEMPT_PACKAGES)]


def _walk(resolver: URLResolver, prefix: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        route = _join(prefix, str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from _walk(entry, route)
        elif isinstance(entry, URLPattern):
            yield Route(f"/{route}", _methods(entry.callback), _view(entry.callback))


def _join(prefix: str, route: str) -> str:
    """As Django joins the route of a ResolverMatch."""
    return prefix + route.removeprefix("^") if prefix else route


def _view(callback: Callable[..., Any]) -> str:
    owner = getattr(callback, "cls", None) or getattr(callback, "view_class", None) or callback
    return f"{owner.__module__}.{getattr(owner, '__qualname__', type(owner).__qualname__)}"


def _methods(callback: Callable[..., Any]) -> tuple[str, ...]:
    """The methods that a view answers; none where it does not tell."""
    owner = getattr(callback, "cls", None) or getattr(callback, "view_class", None)
    if owner is None:
        return ()
    allowed = {name.lower() for name in owner.http_method_names}
    # A viewset of DRF: method and action.
    actions = getattr(callback, "actions", None)
    offered = set(actions) if actions is not None else {name for name in allowed if hasattr(owner, name)}
    return tuple(method for method in MEASURED_METHODS if method.lower() in offered & allowed)
