"""manage.py mark_offline"""

from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from service.models import Truck
from tests.service.conftest import QueryBudget
from tests.service.fleet import vin

pytestmark = pytest.mark.django_db


def mark() -> str:
    output = StringIO()
    call_command("mark_offline", stdout=output)
    return output.getvalue()


def ago(**time: int) -> datetime:
    return timezone.now() - timedelta(**time)


def add_truck(number: int, last_contact_at: datetime | None, status: str = "driving") -> None:
    Truck.objects.create(vin=vin(number), status=status, last_contact_at=last_contact_at)


def test_trucks_without_contact_for_ten_minutes_become_offline() -> None:
    add_truck(1, ago(minutes=11))
    add_truck(2, ago(minutes=9), status="charging")
    add_truck(3, ago(days=90), status="alerting")
    assert mark() == "Marked 2 trucks offline.\n"
    assert list(Truck.objects.values_list("status", flat=True)) == ["offline", "charging", "offline"]


def test_offline_trucks_are_not_counted_again() -> None:
    add_truck(1, ago(minutes=11), status="offline")
    add_truck(2, ago(minutes=11))
    assert mark() == "Marked 1 truck offline.\n"


def test_truck_without_any_contact_becomes_offline_ten_minutes_after_creation() -> None:
    add_truck(1, None)
    new = mark()
    Truck.objects.update(created_at=ago(minutes=11))
    assert (new, mark()) == ("Marked 0 trucks offline.\n", "Marked 1 truck offline.\n")


@pytest.mark.parametrize("count", [3, 30])
def test_command_needs_one_statement_for_any_number_of_trucks(
    count: int, django_assert_query_budget: QueryBudget
) -> None:
    for number in range(count):
        add_truck(number, ago(minutes=11))
    with django_assert_query_budget(exact=1):
        mark()
