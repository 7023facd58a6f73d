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
    """Load the demo fleet once for all tests of the class; return the output of the command."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield load()
        transaction.set_rollback(True)


class TestLoadedFleet:
    """Tests that share one loaded fleet; changes of each test are rolled back."""

    def test_command_loads_trucks_and_frames_and_prints_their_number(self, loaded: str) -> None:
        assert loaded == "Loaded the demo fleet: 500 trucks with 1557 frames, and 4 real frames.\n"
        assert (Truck.objects.count(), TelemetryFrame.objects.count()) == (504, 1561)

    def test_second_run_changes_nothing(self, loaded: str, django_assert_query_budget: QueryBudget) -> None:
        before = list(Truck.objects.values_list())
        with django_assert_query_budget(exact=1):
            assert load() == "The demo fleet is already loaded: 500 trucks.\n"
        assert list(Truck.objects.values_list()) == before

    def test_second_run_loads_a_deleted_truck_again(self, loaded: str) -> None:
        demo_truck = Truck.objects.exclude(truck_model=None).first()
        assert demo_truck is not None
        demo_truck.delete()
        assert load().startswith("Loaded the demo fleet: 1 trucks")
        assert Truck.objects.get(vin=demo_truck.vin).truck_model == demo_truck.truck_model

    def test_trucks_have_all_statuses_and_recent_contacts(self, loaded: str) -> None:
        counts = Truck.objects.status_counts()
        assert all(counts.values())
        fresh = Truck.objects.filter(last_contact_at__gte=timezone.now() - timedelta(minutes=5))
        assert fresh.count() > 400
        assert not fresh.filter(status=Truck.Status.OFFLINE).exists()
        assert not Truck.objects.exclude(pk__in=fresh).exclude(status=Truck.Status.OFFLINE).exists()

    def test_contact_of_a_real_frame_is_its_recording_time(self, loaded: str) -> None:
        truck = Truck.objects.get(vin=REAL_FRAMES[3]["vin"])
        assert truck.last_contact_at == truck.frames.get().recorded_at


def test_existing_manufacturers_are_reused() -> None:
    foton = Manufacturer.objects.create(name="Foton")
    load()
    assert Manufacturer.objects.get(name="Foton") == foton
    assert TruckModel.objects.filter(manufacturer=foton).count() == 2


def test_nothing_is_loaded_if_an_error_occurs(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise RuntimeError

    monkeypatch.setattr(load_demo_fleet, "load_real_frames", fail)
    with pytest.raises(RuntimeError):
        load()
    assert (Truck.objects.count(), Manufacturer.objects.count()) == (0, 0)
