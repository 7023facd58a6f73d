"""/api/v1/trucks/"""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve
from rest_framework.test import APIClient

from service.ingest import ingest_frames
from service.models import Manufacturer, TelemetryFrame, Truck, TruckModel
from tests.service.conftest import ConstantQueries, QueryBudget
from tests.service.fleet import MINUTE, NOON, decoded, make_trucks, many_realtime, realtime, vin

pytestmark = pytest.mark.django_db

TRUCKS = "/api/v1/trucks/"
COUNTS = f"{TRUCKS}status-counts/"
ONE = f"{TRUCKS}{vin()}/"
KEYS = ["vin", "model", "manufacturer", "truck_model", "status", "status_at", "finance_type"]
KEYS += ["last_contact_at", "created_at"]


def vins(client: APIClient, **parameters: Any) -> list[str]:
    return [truck["vin"] for truck in client.get(TRUCKS, parameters).json()["results"]]


def make_model() -> TruckModel:
    return TruckModel.objects.create(manufacturer=Manufacturer.objects.create(name="FAW"), name="J6")


def add_truck(number: int, **values: object) -> Truck:
    return Truck.objects.create(vin=vin(number), **values)


@pytest.mark.parametrize(
    ("path", "route"),
    [(TRUCKS, "api/v1/trucks/"), (ONE, "api/v1/trucks/<vin>/"), (COUNTS, "api/v1/trucks/status-counts/")],
)
def test_route_has_the_form_of_path_without_a_regex(path: str, route: str) -> None:
    assert resolve(path).route == route


@pytest.mark.parametrize("path", [TRUCKS, ONE, COUNTS])
def test_get_without_login_returns_401(path: str) -> None:
    assert Client().get(path).status_code == 401


# The list


def test_list_shows_each_truck_with_its_model(client: APIClient) -> None:
    truck = make_trucks(1)[0]
    listed = client.get(TRUCKS).json()["results"]
    assert list(listed[0]) == KEYS
    assert listed[0] | {"created_at": None} == {
        "vin": vin(),
        "model": "HOWO 1",
        "manufacturer": "Sinotruk",
        "truck_model": truck.truck_model_id,
        "status": "offline",
        "status_at": None,
        "finance_type": "purchase",
        "last_contact_at": None,
        "created_at": None,
    }


def test_truck_without_a_model_is_listed(client: APIClient) -> None:
    add_truck(1)
    listed = client.get(TRUCKS).json()["results"][0]
    assert (listed["model"], listed["manufacturer"], listed["truck_model"]) == (None, None, None)


def test_list_query_count_does_not_depend_on_the_number_of_trucks(
    client: APIClient, django_assert_constant_queries: ConstantQueries
) -> None:
    django_assert_constant_queries(make_trucks, lambda: client.get(TRUCKS))


@pytest.mark.parametrize(
    ("parameters", "numbers"),
    [
        ({"status": "driving"}, [1]),
        ({"status": "driving,charging"}, [1, 2]),
        ({"status": ["driving", "offline"]}, [1, 3]),
        ({"status": ["driving", "charging,offline"]}, [1, 2, 3]),
        ({"status": ""}, [1, 2, 3]),
        ({"finance_type": "lease,loan"}, [2, 3]),
        ({"finance_type": "lease", "status": "driving,charging"}, [2]),
        ({"search": vin(2)}, [2]),
        ({"search": vin(2)[-6:].lower()}, [2]),
        ({"search": "no such"}, []),
    ],
    ids=str,
)
def test_filters_and_search_return_the_matching_trucks(
    parameters: dict[str, Any], numbers: list[int], client: APIClient
) -> None:
    add_truck(1, status="driving")
    add_truck(2, status="charging", finance_type="lease")
    add_truck(3, finance_type="loan")
    assert vins(client, **parameters) == [vin(number) for number in numbers]


@pytest.mark.parametrize("name", ["status", "finance_type"])
def test_invalid_filter_value_returns_400_and_names_the_filter(name: str, client: APIClient) -> None:
    response = client.get(TRUCKS, {name: "lease,driving,parked"})
    assert response.status_code == 400
    assert list(response.json()) == [name]
    assert "' is not a valid choice. Allowed: " in response.json()[name][0]


@pytest.mark.parametrize(
    ("ordering", "numbers"),
    [
        ("vin", [1, 2, 3]),
        ("-vin", [3, 2, 1]),
        ("status", [2, 3, 1]),
        ("-status", [1, 2, 3]),
        ("last_contact_at", [3, 2, 1]),
        ("-status,-vin", [1, 3, 2]),
        ("created_at", [1, 2, 3]),
    ],
)
def test_list_is_ordered_by_the_fields_and_then_by_vin(ordering: str, numbers: list[int], client: APIClient) -> None:
    add_truck(1, status="driving", last_contact_at=NOON)
    add_truck(2, status="charging", last_contact_at=NOON - MINUTE)
    add_truck(3, status="charging", last_contact_at=NOON - 2 * MINUTE)
    assert vins(client, ordering=ordering) == [vin(number) for number in numbers]


@pytest.mark.parametrize("field", ["-id", "--vin", "vin-"])
def test_ordering_by_an_unknown_field_returns_400_with_the_allowed_fields(field: str, client: APIClient) -> None:
    response = client.get(TRUCKS, {"ordering": f"vin,{field}"})
    assert response.status_code == 400
    (message,) = response.json()["ordering"]
    assert f"'{field}'" in message
    assert "vin, status, last_contact_at, created_at" in message


def test_page_has_50_trucks_or_page_size_up_to_200(client: APIClient) -> None:
    Truck.objects.bulk_create([Truck(vin=vin(number)) for number in range(1, 203)])
    assert [len(vins(client, **page)) for page in ({}, {"page_size": 7}, {"page_size": 500})] == [50, 7, 200]


def test_pages_together_have_each_truck_once(client: APIClient) -> None:
    Truck.objects.bulk_create([Truck(vin=vin(number)) for number in range(1, 24)])
    shown = [vin for page in (1, 2, 3) for vin in vins(client, ordering="status", page_size=8, page=page)]
    assert shown == [vin(number) for number in range(1, 24)]


@pytest.mark.parametrize("page", ["3", "0", "x", "9" * 30])
def test_unknown_page_returns_404(page: str, client: APIClient) -> None:
    assert client.get(TRUCKS, {"page": page}).status_code == 404


# One truck


def test_truck_is_returned_by_its_vin(client: APIClient) -> None:
    make_trucks(2)
    found = client.get(ONE).json()
    assert (list(found), found["vin"]) == ([*KEYS, "latest_frame"], vin())


def test_truck_has_its_newest_frame(client: APIClient) -> None:
    older, newer = realtime(speed_kmh=10.0), realtime(recorded_at=NOON + MINUTE, speed_kmh=61.5, longitude=113.5)
    others = realtime(2, recorded_at=NOON + 2 * MINUTE)
    ingest_frames(frames=decoded(newer, others), received_at=NOON)
    ingest_frames(frames=decoded(older), received_at=NOON + MINUTE)
    assert client.get(ONE).json()["latest_frame"] == {
        "recorded_at": "2026-05-04T12:01:00Z",
        "received_at": "2026-05-04T12:00:00Z",
        "command": 2,
        "vehicle_state": 1,
        "charging_state": 3,
        "speed_kmh": 61.5,
        "mileage_km": 0.0,
        "voltage_v": 600.0,
        "current_a": 0.0,
        "soc_percent": 50,
        "longitude": 113.5,
        "latitude": None,
        "alarm_level": 0,
    }


def test_truck_without_a_frame_with_a_time_has_no_latest_frame(client: APIClient) -> None:
    truck = add_truck(1)
    TelemetryFrame.objects.create(
        truck=truck, digest="0", raw=b"", command=8, response=254, encryption=1, received_at=NOON
    )
    assert client.get(ONE).json()["latest_frame"] is None


def test_detail_query_count_does_not_depend_on_the_number_of_frames(
    client: APIClient, django_assert_constant_queries: ConstantQueries
) -> None:
    def fill(count: int) -> None:
        ingest_frames(frames=decoded(*many_realtime(2 * count, trucks=count)))

    django_assert_constant_queries(fill, lambda: client.get(ONE))


@pytest.mark.parametrize("name", [vin(9), vin().lower(), "x", f"{vin()}0", "%00", "%F0%9F%9A%9B"])
def test_unknown_truck_returns_404(name: str, client: APIClient) -> None:
    add_truck(1)
    assert client.get(f"{TRUCKS}{name}/").status_code == 404


def test_invalid_vin_returns_404_without_a_query(client: APIClient, django_assert_query_budget: QueryBudget) -> None:
    with django_assert_query_budget(exact=0):
        assert client.get(f"{TRUCKS}%00/").status_code == 404


# A new truck


def test_created_truck_is_returned_with_its_model(client: APIClient) -> None:
    model = make_trucks(1)[0].truck_model
    assert model is not None
    response = client.post(TRUCKS, {"vin": vin(2), "truck_model": model.pk, "finance_type": "rental"})
    created = response.json()
    assert response.status_code == 201
    assert (created["model"], created["manufacturer"], created["finance_type"]) == ("HOWO 1", "Sinotruk", "rental")
    assert Truck.objects.get(vin=vin(2)).truck_model == model


def test_status_and_finance_type_of_a_created_truck_have_defaults(client: APIClient) -> None:
    created = client.post(TRUCKS, {"vin": vin()}).json()
    assert (created["status"], created["finance_type"], created["model"]) == ("offline", "purchase", None)


def test_created_truck_may_have_another_status(client: APIClient) -> None:
    assert client.post(TRUCKS, {"vin": vin(), "status": "stopped"}).json()["status"] == "stopped"


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({}, "vin"),
        ({"vin": vin(1)}, "vin"),
        ({"vin": "short"}, "vin"),
        ({"vin": vin(2).lower()}, "vin"),
        ({"vin": "\ud800" * 17}, "vin"),
        ({"vin": vin(2), "status": "parked"}, "status"),
        ({"vin": vin(2), "finance_type": None}, "finance_type"),
        ({"vin": vin(2), "truck_model": 9}, "truck_model"),
        ({"vin": vin(2), "truck_model": 10**30}, "truck_model"),
        ({"vin": vin(2), "truck_model": "x"}, "truck_model"),
    ],
)
def test_invalid_value_of_a_new_truck_returns_400_and_names_the_field(
    values: dict[str, Any], wrong: str, client: APIClient
) -> None:
    add_truck(1)
    response = client.post(TRUCKS, json.dumps(values), content_type="application/json")
    assert (response.status_code, list(response.json())) == (400, [wrong])


def test_create_query_count_does_not_depend_on_the_number_of_trucks(
    client: APIClient, django_assert_constant_queries: ConstantQueries
) -> None:
    model = make_model().pk
    django_assert_constant_queries(make_trucks, lambda: client.post(TRUCKS, {"vin": vin(99), "truck_model": model}))


# A change


def test_model_and_finance_type_can_be_changed(client: APIClient) -> None:
    make_trucks(2)
    other = TruckModel.objects.get(name="HOWO 2")
    changed = client.patch(ONE, {"truck_model": other.pk, "finance_type": "loan"}).json()
    assert (changed["model"], changed["finance_type"]) == ("HOWO 2", "loan")
    assert Truck.objects.get(vin=vin()).truck_model == other


def test_model_can_be_set_to_null(client: APIClient) -> None:
    make_trucks(1)
    assert client.patch(ONE, {"truck_model": None}).json()["model"] is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vin", vin(2)),
        ("status", "driving"),
        ("status_at", "2026-01-01T00:00:00Z"),
        ("last_contact_at", "2026-01-01T00:00:00Z"),
        ("created_at", "2026-01-01T00:00:00Z"),
    ],
)
def test_patch_ignores_read_only_fields(name: str, value: str, client: APIClient) -> None:
    before = getattr(add_truck(1), name)
    assert client.patch(ONE, {name: value}).status_code == 200
    assert getattr(Truck.objects.get(), name) == before


def test_patch_keeps_values_that_a_frame_changed_since_the_truck_was_read(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_truck(1)
    save = Truck.save

    def save_after_a_frame(truck: Truck, *, update_fields: list[str]) -> None:
        ingest_frames(frames=decoded(realtime(speed_kmh=50.0)), received_at=NOON)
        save(truck, update_fields=update_fields)

    monkeypatch.setattr(Truck, "save", save_after_a_frame)
    client.patch(ONE, {"finance_type": "loan"})
    truck = Truck.objects.get()
    assert (truck.finance_type, truck.status, truck.last_contact_at) == ("loan", "driving", NOON)


def test_invalid_patch_returns_400_and_names_the_field(client: APIClient) -> None:
    add_truck(1)
    response = client.patch(ONE, {"finance_type": "stolen"})
    assert (response.status_code, list(response.json())) == (400, ["finance_type"])


def test_patch_query_count_does_not_depend_on_the_number_of_trucks(
    client: APIClient, django_assert_constant_queries: ConstantQueries
) -> None:
    model = make_model().pk
    django_assert_constant_queries(make_trucks, lambda: client.patch(ONE, {"truck_model": model}))


def test_put_is_not_allowed(client: APIClient) -> None:
    add_truck(1)
    assert client.put(ONE, {"vin": vin(), "finance_type": "loan"}).status_code == 405


# Deletion


def test_truck_is_deleted_with_its_frames(client: APIClient) -> None:
    ingest_frames(frames=decoded(realtime(1), realtime(2)))
    assert client.delete(ONE).status_code == 204
    assert [frame.truck.vin for frame in TelemetryFrame.objects.select_related("truck")] == [vin(2)]
    assert [truck.vin for truck in Truck.objects.all()] == [vin(2)]


def test_delete_query_count_does_not_depend_on_the_number_of_frames(
    client: APIClient, django_assert_constant_queries: ConstantQueries
) -> None:
    def fill(count: int) -> None:
        ingest_frames(frames=decoded(*many_realtime(count, trucks=1)))

    django_assert_constant_queries(fill, lambda: client.delete(ONE))


# Status counts


def test_status_counts_has_each_status_and_the_total(client: APIClient) -> None:
    add_truck(1, status="driving")
    add_truck(2, status="driving", created_at=NOON - timedelta(days=1))
    add_truck(3)
    assert client.get(COUNTS).json() == {
        "alerting": 0,
        "charging": 0,
        "driving": 2,
        "stopped": 0,
        "offline": 1,
        "total": 3,
    }


def test_status_counts_query_count_does_not_depend_on_the_number_of_trucks(
    client: APIClient, django_assert_constant_queries: ConstantQueries
) -> None:
    django_assert_constant_queries(make_trucks, lambda: client.get(COUNTS))
