"""The projection of the record."""

from dataclasses import dataclass

import pytest

from observability.core.context import observe
from observability.core.http_attributes import HttpAttributes
from observability.core.measurements import to_dict, to_log_keys
from observability.core.observation import Observation


@dataclass
class Extension:
    """What a package keeps with an observation."""

    is_logged: bool

    def to_measurements(self) -> dict[str, object]:
        return {"package.number": 7}


def test_request_and_other_work_share_the_keys_of_the_work() -> None:
    request = to_dict(Observation("request", "GET", http=HttpAttributes("GET", "/")))
    with observe("import_books") as span:
        pass
    shared = to_dict(span).keys() - {"span.name"}
    assert (to_dict(span)["span.name"], shared <= request.keys()) == ("import_books", True)


@pytest.mark.parametrize("is_logged", [True, False])
def test_keys_of_a_package_are_logged_if_it_says_so(is_logged: bool) -> None:
    observation = Observation("span", "import_books")
    observation.extensions[Extension] = Extension(is_logged)
    observation.extensions["state"] = object()
    assert to_dict(observation)["package.number"] == 7
    assert ("package.number" in to_log_keys(observation)) == is_logged


def test_only_declared_numbers_of_recorders_are_keys() -> None:
    observation = Observation("request", "POST", http=HttpAttributes("POST", "/"))
    observation.measurements |= {"http.request.body.size": 5, "undeclared": 6}
    keys = to_dict(observation)
    assert (keys["http.request.body.size"], "undeclared" in keys) == (5, False)
