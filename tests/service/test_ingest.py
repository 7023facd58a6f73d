"""Ingestion of frames and its effect on trucks."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection

from service.gbt32960 import REISSUED, Frame, decode
from service.ingest import IngestResult, ingest_frames
from service.models import TelemetryFrame, Truck
from service.querysets import TelemetryFrameQuerySet, TruckQuerySet
from tests.service.conftest import QueryBudget
from tests.service.fleet import (
    MINUTE,
    NOON,
    REAL_FRAMES,
    decoded,
    heartbeat,
    login,
    logout,
    make_trucks,
    many_realtime,
    realtime,
    vin,
)

pytestmark = pytest.mark.django_db

DRIVING: dict[str, Any] = {"speed_kmh": 60.0}
CHARGING: dict[str, Any] = {"charging_state": 1}


def ingest(*raw_frames: bytes, received_at: datetime | None = None) -> IngestResult:
    return ingest_frames(frames=decoded(*raw_frames), received_at=received_at)


def truck(number: int = 1) -> Truck:
    return Truck.objects.get(vin=vin(number))


def test_ingestion_without_frames_needs_no_query(django_assert_query_budget: QueryBudget) -> None:
    with django_assert_query_budget(exact=0):
        assert ingest() == IngestResult(received=0, stored=0, duplicates=0, heartbeats=0, trucks_registered=0)


def test_real_frames_are_stored_once() -> None:
    raw_frames = [bytes.fromhex(entry["hex"]) for entry in REAL_FRAMES]
    first, second = ingest(*raw_frames), ingest(*raw_frames)
    assert first == IngestResult(received=4, stored=4, duplicates=0, heartbeats=0, trucks_registered=4)
    assert second == IngestResult(received=4, stored=0, duplicates=4, heartbeats=0, trucks_registered=0)
    assert TelemetryFrame.objects.count() == 4


def test_frame_that_occurs_twice_in_a_request_is_stored_once() -> None:
    assert ingest(realtime(), realtime()) == IngestResult(
        received=2, stored=1, duplicates=1, heartbeats=0, trucks_registered=1
    )


@pytest.mark.parametrize("entry", REAL_FRAMES, ids=lambda entry: entry["note"][:25])
def test_row_has_every_value_of_its_frame(entry: dict[str, str]) -> None:
    frame = decode(bytes.fromhex(entry["hex"]))
    ingest_frames(frames=[frame], received_at=NOON)
    row = TelemetryFrame.objects.select_related("truck").get()
    assert (row.truck.vin, row.received_at, bytes(row.raw)) == (frame.vin, NOON, frame.raw)
    for field in TelemetryFrame._meta.concrete_fields:
        if field.name not in {"id", "truck", "digest", "received_at", "raw"}:
            assert getattr(row, field.name) == getattr(frame, field.name), field.name


def test_digest_is_the_sha256_of_the_bytes() -> None:
    ingest(bytes.fromhex(REAL_FRAMES[0]["hex"]))
    assert TelemetryFrame.objects.get().digest == "9da41537bf1726f19cc3baa519ce884decc2e873c1cd8d85967dd951ca6f3a16"


def test_unknown_truck_is_registered_without_a_model() -> None:
    assert ingest(realtime(1), realtime(2)).trucks_registered == 2
    assert [(each.vin, each.truck_model) for each in Truck.objects.all()] == [(vin(1), None), (vin(2), None)]


def test_known_truck_keeps_model_and_finance_type() -> None:
    known = make_trucks(1, finance_type=Truck.FinanceType.LEASE)[0]
    ingest(realtime(**DRIVING))
    now = truck()
    assert (now.pk, now.truck_model_id, now.finance_type) == (known.pk, known.truck_model_id, "lease")
    assert now.created_at == known.created_at


def test_heartbeat_is_a_contact_and_is_not_stored() -> None:
    make_trucks(1, status=Truck.Status.DRIVING, status_at=NOON)
    result = ingest(heartbeat(), heartbeat(), received_at=NOON + MINUTE)
    assert (result.stored, result.heartbeats, TelemetryFrame.objects.count()) == (0, 2, 0)
    assert (truck().status, truck().status_at, truck().last_contact_at) == ("driving", NOON, NOON + MINUTE)


def test_heartbeat_registers_an_unknown_truck() -> None:
    assert ingest(heartbeat()).trucks_registered == 1
    assert truck().status == "offline"


def test_frame_sets_the_status_and_its_time() -> None:
    ingest(realtime(**DRIVING))
    assert (truck().status, truck().status_at) == ("driving", NOON)


@pytest.mark.parametrize("newest", [0, 1, 2])
def test_newest_frame_sets_the_status_in_any_order(newest: int) -> None:
    raw_frames = [realtime(recorded_at=NOON - MINUTE), login(recorded_at=NOON - 2 * MINUTE)]
    raw_frames.insert(newest, realtime(recorded_at=NOON, **CHARGING))
    ingest(*raw_frames)
    assert (truck().status, truck().status_at) == ("charging", NOON)


def test_older_reissued_frame_does_not_change_the_status() -> None:
    ingest(realtime(**DRIVING), received_at=NOON)
    ingest(realtime(recorded_at=NOON - MINUTE, command=REISSUED, **CHARGING), received_at=NOON + MINUTE)
    assert (truck().status, truck().status_at, truck().last_contact_at) == ("driving", NOON, NOON + MINUTE)


def test_newer_frame_changes_the_status() -> None:
    ingest(realtime(**DRIVING))
    ingest(logout(recorded_at=NOON + MINUTE))
    assert (truck().status, truck().status_at) == ("offline", NOON + MINUTE)


def test_later_frame_of_the_same_second_changes_the_status() -> None:
    ingest(login())
    ingest(realtime(**DRIVING))
    assert truck().status == "driving"


def test_frame_without_a_status_does_not_change_the_status() -> None:
    location_only = bytes.fromhex(REAL_FRAMES[2]["hex"])
    Truck.objects.create(vin=REAL_FRAMES[2]["vin"], status=Truck.Status.DRIVING)
    ingest(location_only)
    assert Truck.objects.get().status == "driving"


def test_frame_with_an_impossible_date_does_not_change_the_status() -> None:
    frame = decoded(realtime(**DRIVING))[0]
    values = {name: getattr(frame, name) for name in Frame.__slots__}
    ingest_frames(frames=[Frame(**values | {"recorded_at": None})])
    assert (truck().status, truck().status_at) == ("offline", None)


def test_duplicate_is_a_contact_and_does_not_change_the_status() -> None:
    ingest(realtime(**DRIVING), received_at=NOON)
    Truck.objects.mark_offline(silent_since=NOON + MINUTE)
    ingest(realtime(**DRIVING), received_at=NOON + 2 * MINUTE)
    assert (truck().status, truck().last_contact_at) == ("offline", NOON + 2 * MINUTE)


def test_last_contact_never_moves_back() -> None:
    ingest(heartbeat(), received_at=NOON)
    ingest(heartbeat(), received_at=NOON - MINUTE)
    assert truck().last_contact_at == NOON


def test_nothing_is_stored_if_an_error_occurs(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_queryset: TruckQuerySet, _trucks: Sequence[Truck]) -> None:
        raise DatabaseError

    monkeypatch.setattr(TruckQuerySet, "save_contacts", fail)
    with pytest.raises(DatabaseError):
        ingest(realtime())
    assert (Truck.objects.count(), TelemetryFrame.objects.count()) == (0, 0)


def test_debug_events_show_the_completed_steps_of_a_failed_ingestion(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(TelemetryFrameQuerySet, "store", fail)
    with caplog.at_level(logging.DEBUG, "service"), pytest.raises(DatabaseError):
        ingest(realtime())
    assert [record.getMessage() for record in caplog.records] == ["trucks_locked", "frames_compared"]


def test_thousand_frames_of_unknown_trucks_need_six_statements(django_assert_query_budget: QueryBudget) -> None:
    frames = decoded(*many_realtime(1_000, trucks=100))
    with django_assert_query_budget(exact=6):
        assert ingest_frames(frames=frames).stored == 1_000


@pytest.mark.parametrize("trucks", [3, 30])
def test_frames_of_known_trucks_need_four_statements(trucks: int, django_assert_query_budget: QueryBudget) -> None:
    make_trucks(trucks)
    frames = decoded(*many_realtime(60, trucks))
    with django_assert_query_budget(exact=4):
        ingest_frames(frames=frames)


def test_duplicates_need_three_statements(django_assert_query_budget: QueryBudget) -> None:
    frames = decoded(realtime())
    ingest_frames(frames=frames)
    with django_assert_query_budget(exact=3):
        ingest_frames(frames=frames)


def test_five_thousand_frames_of_different_trucks_are_stored() -> None:
    result = ingest(*many_realtime(5_000, trucks=5_000))
    assert (result.stored, Truck.objects.filter(status="stopped").count()) == (5_000, 5_000)


def test_very_large_frames_are_stored() -> None:
    raw_frames = [realtime(recorded_at=NOON + index * timedelta(seconds=1), probes=60_000) for index in range(100)]
    assert ingest(*raw_frames).stored == 100
    assert connection.is_usable()
