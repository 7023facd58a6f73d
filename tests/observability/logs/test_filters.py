"""The filters for handlers and loggers."""

import pytest

from observability.logs.filters import ExceptLoggersFilter, ExceptRequestLinesFilter
from tests.observability.log_records import log_record


def test_records_of_the_named_loggers_are_dropped_and_those_of_their_children_pass() -> None:
    names = ("named", "named.below", "other")
    passed = [name for name in names if ExceptLoggersFilter(["named"]).filter(log_record(name=name))]
    assert passed == ["named.below", "other"]


def test_name_instead_of_a_list_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"names is 'named'\. Allowed: a list of logger names"):
        ExceptLoggersFilter("named")


def test_only_request_lines_of_the_development_server_are_dropped() -> None:
    request = log_record('"%s" %s %s', args=("GET / HTTP/1.1", "200", "12"))
    assert not ExceptRequestLinesFilter().filter(request)
    assert ExceptRequestLinesFilter().filter(log_record("You're accessing the development server over HTTPS"))
