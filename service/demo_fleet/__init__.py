"""Demo data: trucks with realistic values and the frames that they send. Tests use the encoder too."""

from service.demo_fleet.encoder import Report, encode_frame, encode_report, encode_time
from service.demo_fleet.trucks import DemoTruck, demo_trucks, frames_of
from service.demo_fleet.vin import make_vin

__all__ = [
    "DemoTruck",
    "Report",
    "demo_trucks",
    "encode_frame",
    "encode_report",
    "encode_time",
    "frames_of",
    "make_vin",
]
