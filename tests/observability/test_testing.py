"""What a wrong count of queries says."""

import pytest

from observability.testing import query_count
from service.models import Truck

pytestmark = pytest.mark.django_db


def test_wrong_count_names_each_statement_its_count_and_the_line_that_caused_it() -> None:
    counts = [Truck.objects.status_counts] * 3
    with pytest.raises(AssertionError) as failure, query_count(1):
        [count() for count in counts]
    first, statement, place = str(failure.value).splitlines()
    assert first == "3 queries instead of 1:"
    # MariaDB quotes names in its own way.
    assert statement.replace("`", '"').startswith('  3x SELECT "service_truck"."status"')
    assert place.strip().startswith("service/querysets.py:")


def test_right_count_passes() -> None:
    with query_count(1):
        Truck.objects.status_counts()
