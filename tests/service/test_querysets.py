"""Queryset methods that need more tests than those of their callers."""

import pytest

from service.models import Truck
from service.querysets import MAX_LISTED, in_slices
from tests.service.conftest import QueryBudget
from tests.service.fleet import NOON, make_trucks, vin

pytestmark = pytest.mark.django_db


def test_register_does_not_change_a_truck_that_exists() -> None:
    make_trucks(1, finance_type="lease", status="driving", last_contact_at=NOON)
    before = Truck.objects.values().get()
    Truck.objects.register([vin(2), vin(1)])
    assert Truck.objects.values().get(vin=vin(1)) == before
    assert Truck.objects.filter(vin=vin(2)).exists()


def test_save_contacts_needs_one_statement(django_assert_query_budget: QueryBudget) -> None:
    trucks = make_trucks(30)
    for truck in trucks:
        truck.status, truck.status_at, truck.last_contact_at = "driving", NOON, NOON
    with django_assert_query_budget(exact=1):
        Truck.objects.save_contacts(trucks)
    assert Truck.objects.filter(status="driving", status_at=NOON, last_contact_at=NOON).count() == 30


@pytest.mark.parametrize("count", [0, 1, MAX_LISTED, MAX_LISTED + 1, 5 * MAX_LISTED])
def test_in_slices_yields_all_values(count: int) -> None:
    values = [str(number) for number in range(count)]
    slices = list(in_slices(values, "default"))
    assert [value for some in slices for value in some] == values
    assert all(len(some) <= MAX_LISTED for some in slices)
