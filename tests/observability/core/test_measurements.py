"""The keys of an observation, summarized for people."""

from observability.core.measurements import summarize_request

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


def test_summary_has_the_event_and_the_keys_that_say_something() -> None:
    assert summarize_request(ACCESS_KEYS) == ("GET /books/ 200", {"ms": 12.3, "queries": 2})


def test_summary_has_repeated_queries_and_notes() -> None:
    _, keys = summarize_request(ACCESS_KEYS | {"db.repeated_count": 7, "tenant": "acme"})
    assert (keys["repeated"], keys["tenant"]) == (7, "acme")
