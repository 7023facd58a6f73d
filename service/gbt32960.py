"""Decode frames of GB/T 32960.3-2016, the protocol by which electric vehicles in China report to a remote platform.

Source: GB/T 32960.3-2016, "Technical specifications of remote service and management system for electric vehicles,
Part 3: Communication protocol and data format", clauses 6 and 7. All numbers are big endian. A frame:

| part | bytes | content |
|---|---|---|
| start | 2 | `##` |
| command | 1 | 1 login, 2 realtime, 3 reissued, 4 logout, 7 heartbeat, 8 clock |
| response | 1 | 0xFE a command; 1 success, 2 error, 3 VIN repeated: an answer |
| VIN | 17 | ASCII; a factory number stands there sometimes |
| encryption | 1 | 1 none, 2 RSA, 3 AES128 |
| length | 2 | of the data |
| data | length | commands 1 to 4 begin with the time: year - 2000, month, day, hour, minute, second in UTC+8 |
| checksum | 1 | XOR of all bytes from the command to the end of the data |

The data of realtime and reissued frames go on with units, each a byte for its type and a body:

| type | unit | bytes of the body |
|---|---|---|
| 1 | vehicle | 20 |
| 2 | motors | 1 + 12 per motor, their number in the first byte |
| 4 | engine | 5 |
| 5 | location | 9 |
| 6 | extremes | 14 |
| 7 | alarms: highest level, flags (4), four lists | 5 + for each list 1 + 4 per entry |
| 8 | cell voltages | 1 + per subsystem 10 + 2 per cell of this frame, their number in its tenth byte |
| 9 | cell temperatures | 1 + per subsystem 3 + 1 per probe, their number in its bytes 2 and 3 |
| 0x80 to 0xFE | the manufacturer's own | 2 + the number in the first two bytes |

Any other type ends the decoding, and so does a body that is cut short: its length, and so the next unit, is not known.
What is left is kept as `Frame.undecoded`. A value of 0xFF bytes is invalid, one that ends in 0xFE after 0xFF bytes is
abnormal: both are None, not a number.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from struct import Struct
from typing import Final, NamedTuple, TypeAlias

LOGIN: Final = 1
REALTIME: Final = 2
REISSUED: Final = 3
LOGOUT: Final = 4
HEARTBEAT: Final = 7
CLOCK: Final = 8
REPORTS: Final = (REALTIME, REISSUED)
TIMED: Final = (LOGIN, *REPORTS, LOGOUT)

IS_COMMAND: Final = 0xFE
UNENCRYPTED: Final = 1

START: Final = b"##"
HEADER: Final = Struct(">2sBB17sBH")
OVERHEAD_BYTES: Final = HEADER.size + 1
MAX_DATA_BYTES: Final = 0xFFFF
TIME: Final = Struct(">6B")
VEHICLE_UNIT: Final = 1
LOCATION_UNIT: Final = 5
ALARMS_UNIT: Final = 7
VEHICLE: Final = Struct(">BBxHIHHB6x")
LOCATION: Final = Struct(">BII")

# The lowest value of each size that is none: abnormal; the one above it is invalid.
ABNORMAL_1: Final = 0xFE
ABNORMAL_2: Final = 0xFFFE
ABNORMAL_4: Final = 0xFFFFFFFE
CURRENT_OFFSET: Final = 10_000
MAX_LONGITUDE: Final = 180_000_000
MAX_LATITUDE: Final = 90_000_000

VIN_PATTERN: Final = r"[A-Z0-9]{17}"
CHINA_STANDARD_TIME: Final = timezone(timedelta(hours=8), "CST")

_is_vin = re.compile(VIN_PATTERN.encode()).fullmatch

_VehicleValues: TypeAlias = tuple[
    int | None, int | None, float | None, float | None, float | None, float | None, int | None
]
_LocationValues: TypeAlias = tuple[float | None, float | None]

_NO_VEHICLE: Final[_VehicleValues] = (None, None, None, None, None, None, None)
_NO_LOCATION: Final[_LocationValues] = (None, None)


class InvalidFrame(ValueError):
    """The bytes are no frame. `problem` says what is wrong, with the value that was expected and the one found.

    `index` (from 0) and `offset` (in bytes) tell where in a stream the frame begins; None outside of a stream.
    """

    def __init__(self, problem: str, *, index: int | None = None, offset: int | None = None) -> None:
        place = "" if index is None else f"frame {index} at byte {offset}: "
        super().__init__(place + problem)
        self.problem = problem
        self.index = index
        self.offset = offset


class Unit(NamedTuple):
    """A decoded unit of realtime data: its type, and its body without the type byte."""

    type: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """What one frame says. None is no value: not in this frame, invalid, abnormal, or encrypted.

    `recorded_at` is the truck's own clock (aware, UTC+8); None too where it shows an impossible date. Longitude and
    latitude are in degrees, negative in the west and in the south; a truck without reception repeats its last position.
    `status` is the running status that follows from the frame: alerting, charging, driving, stopped or offline; None
    where it tells none. `undecoded` are the bytes of the data after the last part that was decoded.
    """

    command: int
    response: int
    vin: str
    encryption: int
    recorded_at: datetime | None
    status: str | None
    vehicle_state: int | None
    charging_state: int | None
    speed_kmh: float | None
    mileage_km: float | None
    voltage_v: float | None
    current_a: float | None
    soc_percent: int | None
    longitude: float | None
    latitude: float | None
    alarm_level: int | None
    undecoded: bytes
    raw: bytes

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units that could be decoded, in order; cut from the raw bytes at each access, as few ask for them."""
        if not _is_report(self.raw):
            return ()
        raw = self.raw
        return tuple(Unit(raw[start], raw[start + 1 : end]) for start, end in pairwise(_unit_bounds(raw)))


def decode(raw: bytes) -> Frame:
    """The frame that these bytes are, all of them. Raises `InvalidFrame`, and nothing else, for any other bytes."""
    command, response, vin, encryption = _envelope(raw)
    recorded_at: datetime | None = None
    vehicle, location, alarm_level = _NO_VEHICLE, _NO_LOCATION, None
    position = HEADER.size
    if _is_report(raw):
        bounds = _unit_bounds(raw)
        position = bounds.pop()
        for start in bounds:
            unit_type = raw[start]
            if unit_type == VEHICLE_UNIT:
                vehicle = _vehicle(raw, start + 1)
            elif unit_type == LOCATION_UNIT:
                location = _location(raw, start + 1)
            elif unit_type == ALARMS_UNIT:
                alarm_level = _present(raw[start + 1])
    if encryption == UNENCRYPTED and command in TIMED and len(raw) >= OVERHEAD_BYTES + TIME.size:
        recorded_at = _moment(raw)
        position = max(position, HEADER.size + TIME.size)
    return Frame(
        command,
        response,
        vin,
        encryption,
        recorded_at,
        _status(command, alarm_level, None if vehicle is _NO_VEHICLE else vehicle),
        *vehicle,
        *location,
        alarm_level,
        raw[position:-1],
        raw,
    )


def split(stream: bytes) -> Iterator[bytes]:
    """The raw frames that stand one after another in `stream`, told apart by their length fields.

    Raises `InvalidFrame` with index and offset where no frame begins or the last one is cut short; the frames before it
    have been yielded then. Checksum and VIN are left to `decode()`.
    """
    offset = index = 0
    while offset < len(stream):
        if stream[offset : offset + 2] != START[: len(stream) - offset]:
            raise InvalidFrame(_wrong_start(stream[offset : offset + 2]), index=index, offset=offset)
        left_bytes = len(stream) - offset
        size = OVERHEAD_BYTES
        if left_bytes >= OVERHEAD_BYTES:
            size += int.from_bytes(stream[offset + HEADER.size - 2 : offset + HEADER.size])
        if left_bytes < size:
            at_least = "at least " if size == OVERHEAD_BYTES else ""
            problem = f"length is {left_bytes} bytes, expected {at_least}{size}"
            raise InvalidFrame(problem, index=index, offset=offset)
        yield stream[offset : offset + size]
        offset += size
        index += 1


def checksum(content: bytes) -> int:
    """XOR of all bytes, at most those of the longest frame.

    The number that they make is folded in halves, 9 times for 440 bytes: much faster than a loop over them.
    """
    folded = int.from_bytes(content)
    foldings = max(len(content) - 1, 0).bit_length()
    for shift in _shifts[len(_shifts) - foldings :]:
        folded ^= folded >> shift
    return folded & 0xFF


def _envelope(raw: bytes) -> tuple[int, int, str, int]:
    """Command, response, VIN and encryption of a frame whose envelope is as it must be."""
    if len(raw) < OVERHEAD_BYTES:
        raise InvalidFrame(f"length is {len(raw)} bytes, expected at least {OVERHEAD_BYTES}")
    start, command, response, vin, encryption, length = HEADER.unpack_from(raw)
    if start != START:
        raise InvalidFrame(_wrong_start(start))
    if len(raw) != OVERHEAD_BYTES + length:
        raise InvalidFrame(
            f"length is {len(raw)} bytes, expected {OVERHEAD_BYTES + length}: its length field says {length} of data"
        )
    # The start bytes are equal and the last byte is the checksum of the rest: together they are 0.
    difference = checksum(raw)
    if difference:
        raise InvalidFrame(f"checksum is {raw[-1]:#04x}, computed {raw[-1] ^ difference:#04x}")
    if not _is_vin(vin):
        raise InvalidFrame(f"VIN is {str(vin)[1:]}, expected 17 of A-Z and 0-9")
    return command, response, vin.decode(), encryption


def _wrong_start(found: bytes) -> str:
    return f"start bytes are 0x{found.hex()}, expected 0x{START.hex()}"


def _is_report(raw: bytes) -> bool:
    """Whether the data of this frame are a time and units that can be read."""
    return raw[2] in REPORTS and raw[21] == UNENCRYPTED and len(raw) >= OVERHEAD_BYTES + TIME.size


def _moment(raw: bytes) -> datetime | None:
    year, month, day, hour, minute, second = TIME.unpack_from(raw, HEADER.size)
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=CHINA_STANDARD_TIME)
    except ValueError:
        return None


def _unit_bounds(raw: bytes) -> list[int]:
    """Where each unit of a report begins, up to the first that cannot be decoded, and where the last of them ends."""
    position = HEADER.size + TIME.size
    bounds = [position]
    end = len(raw) - 1
    ends = _end_of_unit
    try:
        while position < end:
            position = ends[raw[position]](raw, position + 1)
            if position > end:
                break
            bounds.append(position)
    except IndexError:
        # A count within the body lies beyond the end of the frame, or the type is unknown.
        pass
    return bounds


def _vehicle(raw: bytes, position: int) -> _VehicleValues:
    state, charging, speed, mileage, voltage, current, soc = VEHICLE.unpack_from(raw, position)
    return (
        state if state < ABNORMAL_1 else None,
        charging if charging < ABNORMAL_1 else None,
        speed / 10 if speed < ABNORMAL_2 else None,
        mileage / 10 if mileage < ABNORMAL_4 else None,
        voltage / 10 if voltage < ABNORMAL_2 else None,
        (current - CURRENT_OFFSET) / 10 if current < ABNORMAL_2 else None,
        soc if soc < ABNORMAL_1 else None,
    )


def _location(raw: bytes, position: int) -> _LocationValues:
    state, longitude, latitude = LOCATION.unpack_from(raw, position)
    return (
        _degrees(longitude, maximum=MAX_LONGITUDE, is_negative=bool(state & 0b100)),
        _degrees(latitude, maximum=MAX_LATITUDE, is_negative=bool(state & 0b010)),
    )


def _degrees(millionths: int, *, maximum: int, is_negative: bool) -> float | None:
    # No place on earth is beyond the maximum; invalid (0xFFFFFFFF) and abnormal (0xFFFFFFFE) are.
    if millionths > maximum:
        return None
    return (-millionths if is_negative else millionths) / 1_000_000


def _present(value: int) -> int | None:
    return value if value < ABNORMAL_1 else None


def _status(command: int, alarm_level: int | None, vehicle: _VehicleValues | None) -> str | None:
    if command == LOGOUT:
        return "offline"
    if command == LOGIN:
        return "stopped"
    if alarm_level:
        return "alerting"
    if vehicle is None:
        return None
    state, charging, speed, *_ = vehicle
    if charging in (1, 2):
        return "charging"
    return "driving" if state == 1 and speed else "stopped"


# Each function below takes the data and the position of a unit's body, and returns where the body ends, which may be
# beyond the end of the data. It raises IndexError where a count that it needs is beyond it.
_EndOfUnit: TypeAlias = Callable[[bytes, int], int]

_shifts = [8 << power for power in reversed(range((OVERHEAD_BYTES + MAX_DATA_BYTES).bit_length()))]


def _fixed(size: int) -> _EndOfUnit:
    return lambda _, position: position + size


def _motors_end(data: bytes, position: int) -> int:
    return position + 1 + 12 * data[position]


def _alarms_end(data: bytes, position: int) -> int:
    position += 5
    for _ in range(4):
        position += 1 + 4 * data[position]
    return position


def _voltages_end(data: bytes, position: int) -> int:
    subsystems = data[position]
    position += 1
    for _ in range(subsystems):
        position += 10 + 2 * data[position + 9]
    return position


def _temperatures_end(data: bytes, position: int) -> int:
    subsystems = data[position]
    position += 1
    for _ in range(subsystems):
        position += 3 + (data[position + 1] << 8 | data[position + 2])
    return position


def _own_end(data: bytes, position: int) -> int:
    return position + 2 + (data[position] << 8 | data[position + 1])


def _unknown_end(_data: bytes, _position: int) -> int:
    raise IndexError


_known_units: dict[int, _EndOfUnit] = {
    1: _fixed(VEHICLE.size),
    2: _motors_end,
    4: _fixed(5),
    5: _fixed(LOCATION.size),
    6: _fixed(14),
    7: _alarms_end,
    8: _voltages_end,
    9: _temperatures_end,
    **dict.fromkeys(range(0x80, 0xFF), _own_end),
}
_end_of_unit = [_known_units.get(unit_type, _unknown_end) for unit_type in range(0x100)]
