"""The trucks of the demo fleet and their frames."""

from collections import Counter

import pytest

from service.demo_fleet import DemoTruck, demo_trucks, frames_of
from service.demo_fleet.vin import check_digit
from service.gbt32960 import decode
from tests.service.fleet import MINUTE, NOON


@pytest.fixture(scope="module")
def trucks() -> list[DemoTruck]:
    return demo_trucks()


def test_demo_trucks_are_the_same_at_each_call(trucks: list[DemoTruck]) -> None:
    assert demo_trucks() == trucks


def test_vins_are_unique_and_have_a_correct_check_digit(trucks: list[DemoTruck]) -> None:
    vins = {truck.vin for truck in trucks}
    assert len(vins) == len(trucks) == 500
    assert all(check_digit(vin) == vin[8] for vin in vins)


def test_reports_are_one_minute_apart_and_end_at_the_given_time(trucks: list[DemoTruck]) -> None:
    for truck in trucks:
        times = [decode(raw).recorded_at for raw in frames_of(truck, until=NOON)]
        assert times[:3] == [NOON - 2 * MINUTE, NOON - MINUTE, NOON]


def test_last_frame_has_the_status_of_the_activity(trucks: list[DemoTruck]) -> None:
    decoded: dict[str, Counter[str | None]] = {}
    for truck in trucks:
        decoded.setdefault(truck.activity, Counter())[decode(frames_of(truck, until=NOON)[-1]).status] += 1
    assert {activity: set(statuses) for activity, statuses in decoded.items()} == {
        "driving": {"driving"},
        "charging": {"charging"},
        "stopped": {"stopped"},
        "alerting": {"alerting"},
        "parked": {"offline"},
        "silent": {"stopped"},
    }


def test_mileage_of_a_driving_truck_matches_its_speed(trucks: list[DemoTruck]) -> None:
    driving = next(truck for truck in trucks if truck.activity == "driving")
    first, *_, last = (decode(raw) for raw in frames_of(driving, until=NOON))
    assert first.mileage_km is not None
    assert last.mileage_km is not None
    assert last.mileage_km - first.mileage_km == pytest.approx(driving.speed_kmh / 30, abs=0.11)


def test_all_positions_are_in_china(trucks: list[DemoTruck]) -> None:
    for truck in trucks:
        frame = decode(frames_of(truck, until=NOON)[0])
        assert frame.longitude is not None
        assert frame.latitude is not None
        assert (103 < frame.longitude < 124, 22 < frame.latitude < 42) == (True, True)
