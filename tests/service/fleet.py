"""Create trucks and frames for tests."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from service.demo_fleet import Report, encode_frame, encode_report, encode_time
from service.gbt32960 import HEARTBEAT, LOGIN, LOGOUT, REALTIME, Frame, decode
from service.models import Manufacturer, Truck, TruckModel

REAL_FRAMES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "service" / "data" / "gbt32960_frames.json").read_text()
)

# The default recording time of frames in tests.
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def vin(number: int = 1) -> str:
    """Return a VIN with this number at its end. Larger numbers sort later. The check digit is not correct."""
    return f"LZZ5DXSBXSA{number:06}"


def make_trucks(count: int, **values: object) -> list[Truck]:
    """Create trucks with the VINs 1 to `count`, each with another model."""
    manufacturer, _ = Manufacturer.objects.get_or_create(name="Sinotruk")
    return [
        Truck.objects.create(
            vin=vin(number),
            truck_model=TruckModel.objects.create(manufacturer=manufacturer, name=f"HOWO {number}"),
            **values,
        )
        for number in range(1, count + 1)
    ]


def realtime(number: int = 1, recorded_at: datetime = NOON, command: int = REALTIME, **values: Any) -> bytes:
    """Return a realtime frame of the truck with VIN `number`; the values are those of `Report`."""
    return encode_report(Report(**values), vin=vin(number), recorded_at=recorded_at, command=command)


def login(number: int = 1, recorded_at: datetime = NOON) -> bytes:
    return encode_frame(vin=vin(number), command=LOGIN, data=encode_time(recorded_at) + bytes(24))


def logout(number: int = 1, recorded_at: datetime = NOON) -> bytes:
    return encode_frame(vin=vin(number), command=LOGOUT, data=encode_time(recorded_at) + bytes(2))


def heartbeat(number: int = 1) -> bytes:
    return encode_frame(vin=vin(number), command=HEARTBEAT)


def many_realtime(frames: int, trucks: int) -> list[bytes]:
    """Return different frames of this number of trucks."""
    return [realtime(index % trucks + 1, NOON + index // trucks * MINUTE) for index in range(frames)]


def decoded(*raw_frames: bytes) -> list[Frame]:
    return [decode(raw) for raw in raw_frames]
