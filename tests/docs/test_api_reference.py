"""The page about the example's API has every route, with its methods."""

import re

from django.urls import URLPattern, URLResolver, get_resolver

from tests.docs.pages import read_page

METHODS = {"get", "post", "put", "patch", "delete"}


def find_routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> set[str]:
    """Return `METHOD /route` of each view of the API and of the health checks."""
    routes: set[str] = set()
    for pattern in patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            routes |= find_routes(pattern.url_patterns, route) if not route.startswith("/admin/") else set()
            continue
        view = pattern.callback
        view_class = getattr(view, "cls", getattr(view, "view_class", None))
        actions = getattr(view, "actions", None) or {name: name for name in METHODS if hasattr(view_class, name)}
        allowed = METHODS & {name.lower() for name in getattr(view_class, "http_method_names", METHODS)}
        routes |= {f"{method.upper()} {route}" for method in (actions.keys() & allowed) or {"get"}}
    return routes


def test_page_has_every_route_and_nothing_extra() -> None:
    table = read_page("docs/reference/api.md").partition("\n\n## ")[0]
    shown = re.findall(r"^\| `([A-Z]+ /\S*)` \|", table, re.MULTILINE)
    assert sorted(shown) == sorted(find_routes(get_resolver().url_patterns))
