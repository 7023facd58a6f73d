"""The trucks of the demo fleet, which are the same in each run, and their latest frames."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from service.demo_fleet.catalog import CATALOG, CatalogModel
from service.demo_fleet.encoder import Report, encode_frame, encode_report, encode_time
from service.demo_fleet.highways import HIGHWAYS, place_along
from service.demo_fleet.vin import make_vin
from service.gbt32960 import LOGOUT

Activity = Literal["driving", "charging", "stopped", "alerting", "parked", "silent"]

FLEET_SIZE: Final = 500
SEED: Final = 32960
ACTIVITIES: Final[dict[Activity, int]] = {
    "driving": 48,
    "charging": 18,
    "stopped": 14,
    "alerting": 4,
    "parked": 9,
    "silent": 7,
}
FINANCE_TYPES: Final = {"purchase": 30, "loan": 35, "lease": 25, "rental": 10}
MODEL_YEARS: Final = "NPRS"
# The approximate length of each highway, in kilometers.
HIGHWAY_KM: Final = 1_500
REPORT_INTERVAL: Final = timedelta(minutes=1)
REPORTS: Final = 3


@dataclass(frozen=True, slots=True)
class DemoTruck:
    """A truck and its activity. A parked truck has logged out; a silent truck stopped sending without a logout.

    `silence` is the time since its last frame. `highway_share` is the completed part of its highway, from 0
    to 1.
    """

    vin: str
    model: CatalogModel
    finance_type: str
    activity: Activity
    silence: timedelta
    highway: str
    highway_share: float
    speed_kmh: float
    mileage_km: float
    soc_percent: int


def demo_trucks() -> list[DemoTruck]:
    """Return the 500 trucks of the fleet, the same at each call."""
    generator = random.Random(SEED)
    return [_demo_truck(generator, serial) for serial in range(1, FLEET_SIZE + 1)]


def frames_of(truck: DemoTruck, *, until: datetime) -> list[bytes]:
    """Return the frames that the truck sent until this time, oldest first, one report per minute."""
    frames = [
        encode_report(_report(truck, number), vin=truck.vin, recorded_at=until - number * REPORT_INTERVAL)
        for number in reversed(range(REPORTS))
    ]
    if truck.activity == "parked":
        frames.append(encode_frame(vin=truck.vin, command=LOGOUT, data=encode_time(until) + b"\x00\x01"))
    return frames


def group_by_silence(trucks: list[DemoTruck]) -> Iterator[tuple[timedelta, list[DemoTruck]]]:
    """Yield the trucks grouped by the time since their last frame, the longest time first."""
    for silence in sorted({truck.silence for truck in trucks}, reverse=True):
        yield silence, [truck for truck in trucks if truck.silence == silence]


def _demo_truck(generator: random.Random, serial: int) -> DemoTruck:
    model = generator.choice(CATALOG)
    activity = generator.choices(list(ACTIVITIES), list(ACTIVITIES.values()))[0]
    is_moving = activity in {"driving", "alerting"}
    return DemoTruck(
        vin=make_vin(
            maker=model.maker,
            description=model.description,
            year=generator.choice(MODEL_YEARS),
            plant="A",
            serial=serial,
        ),
        model=model,
        finance_type=generator.choices(list(FINANCE_TYPES), list(FINANCE_TYPES.values()))[0],
        activity=activity,
        silence=_silence(generator, activity),
        highway=generator.choice(list(HIGHWAYS)),
        highway_share=generator.uniform(0.02, 0.98),
        speed_kmh=round(generator.uniform(42, 89), 1) if is_moving else 0.0,
        mileage_km=round(generator.uniform(4_000, 310_000), 1),
        soc_percent=generator.randint(12, 96),
    )


def _silence(generator: random.Random, activity: Activity) -> timedelta:
    if activity == "parked":
        return timedelta(hours=generator.choice([1, 3, 9, 14]))
    if activity == "silent":
        return timedelta(hours=generator.choice([2, 26, 24 * 9]))
    return timedelta(minutes=generator.choice([0, 0, 0, 1, 3]))


def _report(truck: DemoTruck, minutes_back: int) -> Report:
    """Return the report of the truck from this number of minutes before its last one."""
    driven_km = -truck.speed_kmh * minutes_back / 60
    place = place_along(HIGHWAYS[truck.highway], truck.highway_share + driven_km / HIGHWAY_KM)
    is_charging = truck.activity == "charging"
    return Report(
        vehicle_state=1 if truck.speed_kmh else 2,
        charging_state=1 if is_charging else 3,
        speed_kmh=truck.speed_kmh,
        mileage_km=truck.mileage_km + driven_km,
        voltage_v=540 + truck.soc_percent,
        current_a=-180.0 if is_charging else truck.speed_kmh * 2,
        soc_percent=truck.soc_percent - minutes_back if is_charging else truck.soc_percent,
        longitude=place.longitude,
        latitude=place.latitude,
        alarm_level=1 + truck.soc_percent % 3 if truck.activity == "alerting" else 0,
    )
