"""Decode frames of GB/T 32960.3-2016, the protocol in which electric vehicles in China report to a remote platform.

Source: GB/T 32960.3-2016, "Technical specifications of remote service and management system for electric vehicles,
Part 3: Communication protocol and data format", clauses 6 and 7. All numbers are big endian. A frame:

| part | bytes | content |
|---|---|---|
| start | 2 | `##` |
| command | 1 | 1 login, 2 realtime, 3 reissued, 4 logout, 7 heartbeat, 8 clock |
| response | 1 | 0xFE command; answers: 1 success, 2 error, 3 duplicate VIN |
| VIN | 17 | ASCII; some vehicles send a factory number instead |
| encryption | 1 | 1 none, 2 RSA, 3 AES128 |
| length | 2 | of the data, in bytes |
| data | length | commands 1 to 4 begin with the time: year - 2000, month, day, hour, minute, second in UTC+8 |
| checksum | 1 | XOR of all bytes from the command to the end of the data |

In realtime and reissued frames, units follow the time. Each unit is a type byte and a body:

| type | unit | bytes of the body |
|---|---|---|
| 1 | vehicle | 20 |
| 2 | motors | 1 + 12 per motor; the first byte is the number of motors |
| 4 | engine | 5 |
| 5 | location | 9 |
| 6 | extremes | 14 |
| 7 | alarms: highest level, flags (4), four lists | 5 + for each list 1 + 4 per entry |
| 8 | cell voltages | 1 + per subsystem 10 + 2 per cell in this frame; its tenth byte is the number of cells |
| 9 | cell temperatures | 1 + per subsystem 3 + 1 per probe; its bytes 2 and 3 are the number of probes |
| 0x80 to 0xFE | defined by the manufacturer | 2 + the number in the first two bytes |

Decoding stops at a unit of any other type, and at a unit that is longer than the rest of the data: the start of the
next unit is not known then. `Frame.undecoded` holds the remaining bytes. A value whose bytes are all 0xFF is invalid, a
value with 0xFE as its last byte and 0xFF before it is abnormal. Both are decoded as None.
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
# The data of these commands begin with a time.
TIMED_COMMANDS: Final = (LOGIN, *REPORTS, LOGOUT)

# The value of `response` in a frame that is a command, not an answer.
NOT_A_RESPONSE: Final = 0xFE
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

# The value "abnormal" for each size in bytes. The next higher value is "invalid"; all lower values are numbers.
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
    """The bytes are not a valid frame. `problem` names what is wrong, the value found and the value expected.

    `index` (from 0) and `offset` (in bytes) are the position of the frame in a stream; None if there is no stream.
    """

    def __init__(self, problem: str, *, index: int | None = None, offset: int | None = None) -> None:
        place = "" if index is None else f"frame {index} at byte {offset}: "
        super().__init__(place + problem)
        self.problem = problem
        self.index = index
        self.offset = offset


class Unit(NamedTuple):
    """A unit of realtime data: its type, and its body without the type byte."""

    type: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """The values of one frame. A value is None if it is missing, invalid, abnormal or encrypted.

    `recorded_at` is the time of the truck's clock (aware, UTC+8); it is also None if the date is impossible. Longitude
    and latitude are in degrees, negative in the west and in the south; a truck without reception repeats its last
    position. `status` is the running status that follows from the frame: alerting, charging, driving, stopped or
    offline; None if no status follows. `undecoded` holds the bytes of the data after the last decoded part.
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
        """The complete units in order. They are extracted from `raw` at each access, because few callers need them."""
        if not _is_report(self.raw):
            return ()
        raw = self.raw
        return tuple(Unit(raw[start], raw[start + 1 : end]) for start, end in pairwise(_unit_bounds(raw)))


def decode(raw: bytes) -> Frame:
    """Decode exactly one frame. Raise `InvalidFrame`, and no other exception, if the bytes are not one frame."""
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
                alarm_level = _value_or_none(raw[start + 1])
    if encryption == UNENCRYPTED and command in TIMED_COMMANDS and len(raw) >= OVERHEAD_BYTES + TIME.size:
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
    """Yield the raw frames of a stream, which follow one another; the length field of each gives its end.

    Raise `InvalidFrame` with index and offset if bytes are not the start of a frame, or if the last frame is
    incomplete; the frames before it have been yielded by then. `decode()` verifies checksum and VIN.
    """
    offset = index = 0
    while offset < len(stream):
        if stream[offset : offset + 2] != START[: len(stream) - offset]:
            raise InvalidFrame(_describe_wrong_start(stream[offset : offset + 2]), index=index, offset=offset)
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
    """Return the XOR of all bytes; the content is at most as long as the longest possible frame.

    Read the bytes as one integer, and XOR its upper half with its lower half, 9 times for 440 bytes. This is much faster
    than a loop over the bytes.
    """
    folded = int.from_bytes(content)
    foldings = max(len(content) - 1, 0).bit_length()
    for shift in _shifts[len(_shifts) - foldings :]:
        folded ^= folded >> shift
    return folded & 0xFF


def _envelope(raw: bytes) -> tuple[int, int, str, int]:
    """Return command, response, VIN and encryption. Raise `InvalidFrame` if the bytes are not one valid frame."""
    if len(raw) < OVERHEAD_BYTES:
        raise InvalidFrame(f"length is {len(raw)} bytes, expected at least {OVERHEAD_BYTES}")
    start, command, response, vin, encryption, length = HEADER.unpack_from(raw)
    if start != START:
        raise InvalidFrame(_describe_wrong_start(start))
    if len(raw) != OVERHEAD_BYTES + length:
        raise InvalidFrame(
            f"length is {len(raw)} bytes, expected {OVERHEAD_BYTES + length}: "
            f"the length field says {length} bytes of data"
        )
    # The two start bytes cancel out, and the last byte is the checksum of the rest: the XOR of all bytes is 0.
    difference = checksum(raw)
    if difference:
        raise InvalidFrame(f"checksum is {raw[-1]:#04x}, computed {raw[-1] ^ difference:#04x}")
    if not _is_vin(vin):
        raise InvalidFrame(f"VIN is {str(vin)[1:]}, expected 17 of A-Z and 0-9")
    return command, response, vin.decode(), encryption


def _describe_wrong_start(found: bytes) -> str:
    return f"start bytes are 0x{found.hex()}, expected 0x{START.hex()}"


def _is_report(raw: bytes) -> bool:
    """Return whether the data of this frame are a time and units, and not encrypted."""
    return raw[2] in REPORTS and raw[21] == UNENCRYPTED and len(raw) >= OVERHEAD_BYTES + TIME.size


def _moment(raw: bytes) -> datetime | None:
    year, month, day, hour, minute, second = TIME.unpack_from(raw, HEADER.size)
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=CHINA_STANDARD_TIME)
    except ValueError:
        return None


def _unit_bounds(raw: bytes) -> list[int]:
    """Return the start of each complete unit of a report, and the end of the last; stop if one cannot be decoded."""
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
        # The number of entries of a unit is beyond the end of the frame, or the type of the unit is unknown.
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
    # The values for invalid (0xFFFFFFFF) and abnormal (0xFFFFFFFE) are above the maximum too.
    if millionths > maximum:
        return None
    return (-millionths if is_negative else millionths) / 1_000_000


def _value_or_none(value: int) -> int | None:
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


# Each function below takes the data and the start of a unit's body, and returns the end of the body. The end may be
# beyond the end of the data. The functions raise IndexError if the number of entries is beyond the end of the data.
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


def _manufacturer_end(data: bytes, position: int) -> int:
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
    **dict.fromkeys(range(0x80, 0xFF), _manufacturer_end),
}
_end_of_unit = [_known_units.get(unit_type, _unknown_end) for unit_type in range(0x100)]
