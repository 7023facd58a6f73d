"""The filters of handlers and loggers."""

import pytest

from observability.logs.filters import ExceptLoggersFilter, ExceptRequestLinesFilter
from tests.observability.log_records import log_record


def test_records_of_the_named_loggers_are_dropped_and_those_below_them_pass() -> None:
    names = ("named", "named.below", "other")
    passed = [name for name in names if ExceptLoggersFilter(["named"]).filter(log_record(name=name))]
    assert passed == ["named.below", "other"]


def test_name_that_stands_for_a_list_is_refused() -> None:
    with pytest.raises(ValueError, match=r"names is 'named'\. Allowed: a list of logger names"):
        ExceptLoggersFilter("named")


def test_line_of_a_request_of_the_development_server_is_dropped_and_its_other_lines_pass() -> None:
    request = log_record('"%s" %s %s', args=("GET / HTTP/1.1", "200", "12"))
    assert not ExceptRequestLinesFilter().filter(request)
    assert ExceptRequestLinesFilter().filter(log_record("You're accessing the development server over HTTPS"))
