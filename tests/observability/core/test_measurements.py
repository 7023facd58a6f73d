"""The keys and values of an observation."""

from dataclasses import dataclass

import pytest

from observability.core.context import observe
from observability.core.http_attributes import HttpAttributes
from observability.core.measurements import summarize_request, to_dict, to_log_keys
from observability.core.observation import Observation

ACCESS_KEYS = {
    "http.request.method": "GET",
    "url.path": "/books/",
    "http.response.status_code": 200,
    "duration_ms": 12.3456,
    "db.query_count": 2,
    "db.repeated_count": 1,
    "db.transaction": "none",
    "outgoing.count": 0,
    "user.id": None,
}


@dataclass
class Extension:
    """An extension of an observation with one key."""

    is_logged: bool

    def to_measurements(self) -> dict[str, object]:
        return {"package.number": 7}


def test_span_has_its_name_and_a_subset_of_the_keys_of_a_request() -> None:
    request = to_dict(Observation("request", "GET", http=HttpAttributes("GET", "/")))
    with observe("import_books") as span:
        pass
    shared = to_dict(span).keys() - {"span.name"}
    assert (to_dict(span)["span.name"], shared <= request.keys()) == ("import_books", True)


@pytest.mark.parametrize("is_logged", [True, False])
def test_keys_of_an_extension_are_logged_if_is_logged_is_true(is_logged: bool) -> None:
    observation = Observation("span", "import_books")
    observation.extensions[Extension] = Extension(is_logged)
    observation.extensions["state"] = object()
    assert to_dict(observation)["package.number"] == 7
    assert ("package.number" in to_log_keys(observation)) == is_logged


def test_only_recorded_keys_appear_in_the_measurements() -> None:
    observation = Observation("request", "POST", http=HttpAttributes("POST", "/"))
    observation.measurements |= {"http.request.body.size": 5, "undeclared": 6}
    keys = to_dict(observation)
    assert (keys["http.request.body.size"], "undeclared" in keys) == (5, False)


def test_summary_leaves_out_empty_values() -> None:
    assert summarize_request(ACCESS_KEYS) == ("GET /books/ 200", {"ms": 12.3, "queries": 2})


def test_summary_has_repeated_queries_and_noted_facts() -> None:
    _, keys = summarize_request(ACCESS_KEYS | {"db.repeated_count": 7, "tenant": "acme"})
    assert (keys["repeated"], keys["tenant"]) == (7, "acme")
