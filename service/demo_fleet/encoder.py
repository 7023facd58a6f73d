"""Encode frames of GB/T 32960 as a truck's terminal does. `service.gbt32960` documents the format and decodes it."""

from dataclasses import dataclass
from datetime import datetime

from service.gbt32960 import (
    ABNORMAL_1,
    ABNORMAL_2,
    ABNORMAL_4,
    ALARMS_UNIT,
    CHINA_STANDARD_TIME,
    CURRENT_OFFSET,
    HEADER,
    LOCATION,
    LOCATION_UNIT,
    NOT_A_RESPONSE,
    REALTIME,
    START,
    TIME,
    UNENCRYPTED,
    VEHICLE,
    VEHICLE_UNIT,
    checksum,
)

MOTORS_UNIT = 2
EXTREMES_UNIT = 6
VOLTAGES_UNIT = 8
TEMPERATURES_UNIT = 9

INVALID_1 = ABNORMAL_1 + 1
INVALID_2 = ABNORMAL_2 + 1
INVALID_4 = ABNORMAL_4 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The values of a realtime frame. A value of None is encoded as invalid.

    153 cells and 16 temperature probes make a frame of 440 bytes, a typical size for the battery of a truck.
    """

    vehicle_state: int | None = 1
    charging_state: int | None = 3
    speed_kmh: float | None = 0.0
    mileage_km: float | None = 0.0
    voltage_v: float | None = 600.0
    current_a: float | None = 0.0
    soc_percent: int | None = 50
    longitude: float | None = None
    latitude: float | None = None
    alarm_level: int | None = 0
    cells: int = 153
    probes: int = 16

    def units(self) -> bytes:
        """Return all encoded units, one after another."""
        return b"".join(
            (self._vehicle(), self._motor(), self._location(), self._extremes(), self._alarms(), self._battery())
        )

    def _vehicle(self) -> bytes:
        return bytes([VEHICLE_UNIT]) + VEHICLE.pack(
            _or_invalid(self.vehicle_state),
            _or_invalid(self.charging_state),
            _tenths(self.speed_kmh, INVALID_2),
            _tenths(self.mileage_km, INVALID_4),
            _tenths(self.voltage_v, INVALID_2),
            INVALID_2 if self.current_a is None else round(self.current_a * 10) + CURRENT_OFFSET,
            _or_invalid(self.soc_percent),
        )

    def _motor(self) -> bytes:
        return bytes([MOTORS_UNIT, 1, 1, 1, 78]) + bytes.fromhex("4e204e20 50 17702710")

    def _location(self) -> bytes:
        longitude, latitude = self.longitude, self.latitude
        state = 0b100 * ((longitude or 0) < 0) | 0b010 * ((latitude or 0) < 0)
        return bytes([LOCATION_UNIT]) + LOCATION.pack(state, _millionths(longitude), _millionths(latitude))

    def _extremes(self) -> bytes:
        return bytes([EXTREMES_UNIT]) + bytes.fromhex("010d0f24 012e0f07 0102 3f 0101 3e")

    def _alarms(self) -> bytes:
        return bytes([ALARMS_UNIT, _or_invalid(self.alarm_level)]) + bytes(8)

    def _battery(self) -> bytes:
        if not self.cells:
            return b""
        cells = self.cells.to_bytes(2)
        # 3.87 V per cell, 22 °C per probe (the encoded value has an offset of 40).
        voltages = b"\x01\x01" + bytes.fromhex("17702710") + cells + b"\x00\x01" + bytes([self.cells])
        temperatures = b"\x01\x01" + self.probes.to_bytes(2) + bytes([62]) * self.probes
        return bytes([VOLTAGES_UNIT]) + voltages + b"\x0f\x1f" * self.cells + bytes([TEMPERATURES_UNIT]) + temperatures


def encode_frame(
    *, vin: str, command: int, data: bytes = b"", response: int = NOT_A_RESPONSE, encryption: int = UNENCRYPTED
) -> bytes:
    """Return a frame with this data, with header and checksum."""
    header = HEADER.pack(START, command, response, vin.encode("ascii"), encryption, len(data))
    return header + data + bytes([checksum(header[len(START) :] + data)])


def encode_report(report: Report, *, vin: str, recorded_at: datetime, command: int = REALTIME) -> bytes:
    """Return a realtime frame, or a reissued one if `command` is REISSUED."""
    return encode_frame(vin=vin, command=command, data=encode_time(recorded_at) + report.units())


def encode_time(moment: datetime) -> bytes:
    """Return the six bytes of a time, in China Standard Time without fractions of a second."""
    local = moment.astimezone(CHINA_STANDARD_TIME)
    return TIME.pack(local.year - 2000, local.month, local.day, local.hour, local.minute, local.second)


def _or_invalid(value: int | None) -> int:
    return INVALID_1 if value is None else value


def _tenths(value: float | None, invalid: int) -> int:
    return invalid if value is None else round(value * 10)


def _millionths(degrees: float | None) -> int:
    return INVALID_4 if degrees is None else round(abs(degrees) * 1_000_000)
