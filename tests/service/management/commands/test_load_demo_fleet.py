"""manage.py load_demo_fleet"""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from service.management.commands import load_demo_fleet
from service.models import Manufacturer, TelemetryFrame, Truck, TruckModel
from tests.service.conftest import QueryBudget
from tests.service.fleet import REAL_FRAMES

pytestmark = pytest.mark.django_db


def load() -> str:
    output = StringIO()
    call_command("load_demo_fleet", stdout=output)
    return output.getvalue()


@pytest.fixture(scope="class")
def loaded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The demo fleet, loaded once for the tests that look at it, and what the command printed."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield load()
        transaction.set_rollback(True)


class TestLoadedFleet:
    """What the tests change is taken back after each of them."""

    def test_fleet_and_real_frames_are_loaded_and_counted(self, loaded: str) -> None:
        assert loaded == "Loaded the demo fleet: 500 trucks with 1557 frames, and 4 real frames.\n"
        assert (Truck.objects.count(), TelemetryFrame.objects.count()) == (504, 1561)

    def test_fleet_that_is_loaded_stays_as_it_is(self, loaded: str, django_assert_query_budget: QueryBudget) -> None:
        before = list(Truck.objects.values_list())
        with django_assert_query_budget(exact=1):
            assert load() == "The demo fleet is loaded already: 500 trucks.\n"
        assert list(Truck.objects.values_list()) == before

    def test_truck_that_was_deleted_comes_back(self, loaded: str) -> None:
        demo_truck = Truck.objects.exclude(truck_model=None).first()
        assert demo_truck is not None
        demo_truck.delete()
        assert load().startswith("Loaded the demo fleet: 1 trucks")
        assert Truck.objects.get(vin=demo_truck.vin).truck_model == demo_truck.truck_model

    def test_fleet_looks_alive(self, loaded: str) -> None:
        counts = Truck.objects.status_counts()
        assert all(counts.values())
        fresh = Truck.objects.filter(last_contact_at__gte=timezone.now() - timedelta(minutes=5))
        assert fresh.count() > 400
        assert not fresh.filter(status=Truck.Status.OFFLINE).exists()
        assert not Truck.objects.exclude(pk__in=fresh).exclude(status=Truck.Status.OFFLINE).exists()

    def test_real_frames_were_received_when_they_were_recorded(self, loaded: str) -> None:
        truck = Truck.objects.get(vin=REAL_FRAMES[3]["vin"])
        assert truck.last_contact_at == truck.frames.get().recorded_at


def test_manufacturers_that_exist_are_used() -> None:
    foton = Manufacturer.objects.create(name="Foton")
    load()
    assert Manufacturer.objects.get(name="Foton") == foton
    assert TruckModel.objects.filter(manufacturer=foton).count() == 2


def test_error_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise RuntimeError

    monkeypatch.setattr(load_demo_fleet, "load_real_frames", fail)
    with pytest.raises(RuntimeError):
        load()
    assert (Truck.objects.count(), Manufacturer.objects.count()) == (0, 0)
