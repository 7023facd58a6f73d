"""Django admin of the service's models."""

import pytest
from django.contrib import admin
from django.contrib.auth.hashers import check_password
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from service.ingest import ingest_frames
from service.models import Manufacturer, TelemetryFrame, Truck, TruckModel, User
from tests.service.conftest import ConstantQueries
from tests.service.fleet import NOON, decoded, make_trucks, many_realtime, realtime, vin

pytestmark = pytest.mark.django_db

MODELS = ["manufacturer", "truckmodel", "truck", "telemetryframe", "user"]


@pytest.fixture
def administrator() -> Client:
    """Return a client with the session of a superuser."""
    administrator = Client()
    administrator.force_login(User.objects.create_superuser("chief"))
    return administrator


def admin_url(instance: Truck | TelemetryFrame, page: str = "change") -> str:
    return reverse(f"admin:service_{instance._meta.model_name}_{page}", args=[instance.pk])


def fill(count: int) -> None:
    make_trucks(count)
    Manufacturer.objects.bulk_create([Manufacturer(name=f"Maker {number}") for number in range(count - 1)])
    User.objects.bulk_create([User(username=f"driver {number}") for number in range(count - 1)])
    ingest_frames(frames=decoded(*many_realtime(count, trucks=count)))


@pytest.mark.parametrize("model", [Manufacturer, TruckModel, Truck, TelemetryFrame, User])
def test_model_is_registered(model: type[Model]) -> None:
    assert admin.site.is_registered(model)


@pytest.mark.parametrize("model", MODELS)
def test_list_query_count_does_not_depend_on_the_number_of_rows(
    model: str, administrator: Client, django_assert_constant_queries: ConstantQueries
) -> None:
    path = reverse(f"admin:service_{model}_changelist")
    django_assert_constant_queries(fill, lambda: administrator.get(path))


@pytest.mark.parametrize("model", MODELS)
def test_list_can_be_searched(model: str, administrator: Client) -> None:
    fill(3)
    response = administrator.get(reverse(f"admin:service_{model}_changelist"), {"q": "no such"})
    assert response.context["cl"].result_count == 0


def test_search_finds_frames_by_the_vin_of_their_truck(administrator: Client) -> None:
    fill(3)
    found = (
        administrator.get(reverse("admin:service_telemetryframe_changelist"), {"q": vin(2)}).context["cl"].result_list
    )
    assert [frame.truck.vin for frame in found] == [vin(2)]


def test_page_of_a_frame_shows_its_bytes_in_hexadecimal(administrator: Client) -> None:
    ingest_frames(frames=decoded(realtime()))
    page = administrator.get(admin_url(TelemetryFrame.objects.get())).content.decode()
    assert realtime().hex(" ") in page


@pytest.mark.parametrize("page", ["change", "delete"])
def test_frame_cannot_be_changed_or_deleted(page: str, administrator: Client) -> None:
    ingest_frames(frames=decoded(realtime()))
    assert administrator.post(admin_url(TelemetryFrame.objects.get(), page), {"post": "yes"}).status_code == 403


def test_frame_cannot_be_added(administrator: Client) -> None:
    assert administrator.get(reverse("admin:service_telemetryframe_add")).status_code == 403


def test_truck_can_be_added(administrator: Client) -> None:
    response = administrator.post(reverse("admin:service_truck_add"), {"vin": vin(), "finance_type": "lease"})
    assert (response.status_code, Truck.objects.get().finance_type) == (302, "lease")


def test_change_of_a_truck_keeps_values_that_a_frame_has_set(
    administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    truck = make_trucks(1)[0]
    save = Truck.save

    def save_after_a_frame(truck: Truck, *, update_fields: list[str] | None = None) -> None:
        ingest_frames(frames=decoded(realtime(speed_kmh=50.0)), received_at=NOON)
        save(truck, update_fields=update_fields)

    monkeypatch.setattr(Truck, "save", save_after_a_frame)
    administrator.post(
        admin_url(truck), {"vin": vin(2), "finance_type": "lease", "status": "stopped", "last_contact_at": ""}
    )
    truck.refresh_from_db()
    assert (truck.finance_type, truck.vin) == ("lease", vin())
    assert (truck.status, truck.last_contact_at) == ("driving", NOON)


def test_truck_without_frames_can_be_deleted(administrator: Client) -> None:
    administrator.post(admin_url(make_trucks(1)[0], "delete"), {"post": "yes"})
    assert not Truck.objects.exists()


def test_truck_with_frames_cannot_be_deleted(administrator: Client) -> None:
    ingest_frames(frames=decoded(realtime()))
    assert administrator.post(admin_url(Truck.objects.get(), "delete"), {"post": "yes"}).status_code == 403


def test_password_of_an_added_user_is_hashed(administrator: Client) -> None:
    values = {"username": "driver", "usable_password": "true", "password1": "a good one 7", "password2": "a good one 7"}
    administrator.post(reverse("admin:service_user_add"), values)
    assert check_password("a good one 7", User.objects.get(username="driver").password)
