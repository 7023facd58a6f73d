"""Decode frames: real ones, encoded ones and random bytes."""

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.demo_fleet import Report, encode_frame, encode_report, encode_time
from service.gbt32960 import (
    CLOCK,
    HEARTBEAT,
    REALTIME,
    REISSUED,
    InvalidFrame,
    checksum,
    decode,
    split,
)
from tests.service.fleet import NOON, REAL_FRAMES, heartbeat, login, logout, realtime, vin

REAL_RAW = [bytes.fromhex(entry["hex"]) for entry in REAL_FRAMES]
STATED_KEYS = ["vin", "command", "response", "recorded_at", "status", "speed_kmh", "mileage_km", "voltage_v"]
STATED_KEYS += ["current_a", "soc_percent", "longitude", "latitude", "alarm_level", "vehicle_state", "charging_state"]
VEHICLE_AND_LOCATION = bytes([1, 1, 3, 1, *bytes(17)]), bytes([5, *bytes(9)])


def with_units(*units: bytes, command: int = REALTIME) -> bytes:
    return encode_frame(vin=vin(), command=command, data=encode_time(NOON) + b"".join(units))


def with_byte(raw: bytes, position: int, value: int) -> bytes:
    """Return the frame with one byte changed and a correct checksum."""
    changed = bytearray(raw)
    changed[position] = value
    changed[-1] = checksum(bytes(changed[2:-1]))
    return bytes(changed)


def is_frame_or_invalid(raw: bytes) -> bool:
    try:
        frame = decode(raw)
    except InvalidFrame as error:
        return bool(error.problem)
    return frame.raw == raw


@pytest.mark.parametrize(
    ("entry", "key"), [(entry, key) for entry in REAL_FRAMES for key in STATED_KEYS if key in entry]
)
def test_real_frame_has_its_documented_values(entry: dict[str, Any], key: str) -> None:
    value = getattr(decode(bytes.fromhex(entry["hex"])), key)
    assert (value.isoformat() if key == "recorded_at" else value) == entry[key]


def test_all_units_of_a_real_frame_are_decoded() -> None:
    frame = decode(REAL_RAW[3])
    assert ([unit.type for unit in frame.units], frame.undecoded) == ([1, 2, 8, 9, 6, 7, 5, 0x80, 0x81], b"")


@pytest.mark.parametrize("raw", REAL_RAW[2:], ids=["location", "whole vehicle"])
def test_joined_units_equal_the_data_after_the_time(raw: bytes) -> None:
    frame = decode(raw)
    assert b"".join(bytes([unit.type]) + unit.body for unit in frame.units) + frame.undecoded == raw[30:-1]


def test_vehicle_unit_is_20_bytes_long() -> None:
    frame = decode(with_units(*VEHICLE_AND_LOCATION))
    assert [(unit.type, len(unit.body)) for unit in frame.units] == [(1, 20), (5, 9)]


@pytest.mark.parametrize(
    ("unit", "body_bytes"),
    [
        (bytes([2, 2, *bytes(24)]), 25),
        (bytes([4, *bytes(5)]), 5),
        (bytes([6, *bytes(14)]), 14),
        (bytes([7, *bytes(5), 1, *bytes(4), 0, 2, *bytes(8), 0]), 21),
        (bytes([8, 2, *bytes(9), 1, *bytes(2), *bytes(9), 3, *bytes(6)]), 29),
        (bytes([9, 1, 1, 1, 0, *bytes(256)]), 260),
        (bytes([0x80, 1, 1, *bytes(257)]), 259),
        (bytes([0xFE, 0, 0]), 2),
    ],
    ids=["motors", "engine", "extremes", "alarms", "voltages", "temperatures", "manufacturer", "manufacturer, empty"],
)
def test_next_unit_is_found_after_each_known_type(unit: bytes, body_bytes: int) -> None:
    frame = decode(with_units(unit, *VEHICLE_AND_LOCATION))
    assert [(each.type, len(each.body)) for each in frame.units] == [(unit[0], body_bytes), (1, 20), (5, 9)]


@pytest.mark.parametrize("unknown", [0, 3, 10, 0x7F, 0xFF])
def test_decoding_stops_at_an_unknown_type_and_keeps_the_rest(unknown: int) -> None:
    rest = bytes([unknown]) + VEHICLE_AND_LOCATION[0]
    frame = decode(with_units(VEHICLE_AND_LOCATION[1], rest))
    assert ([unit.type for unit in frame.units], frame.undecoded) == ([5], rest)


@pytest.mark.parametrize("unit", [*VEHICLE_AND_LOCATION, b"\x02\x01" + bytes(12)])
def test_decoding_stops_at_an_incomplete_unit_and_keeps_the_rest(unit: bytes) -> None:
    for length in range(1, len(unit)):
        frame = decode(with_units(VEHICLE_AND_LOCATION[1], unit[:length]))
        assert ([each.type for each in frame.units], frame.undecoded) == ([5], unit[:length])


@pytest.mark.parametrize(
    ("name", "written", "invalid", "abnormal"),
    [
        ("vehicle_state", slice(31, 32), b"\xff", b"\xfe"),
        ("charging_state", slice(32, 33), b"\xff", b"\xfe"),
        ("speed_kmh", slice(34, 36), b"\xff\xff", b"\xff\xfe"),
        ("mileage_km", slice(36, 40), b"\xff" * 4, b"\xff\xff\xff\xfe"),
        ("voltage_v", slice(40, 42), b"\xff\xff", b"\xff\xfe"),
        ("current_a", slice(42, 44), b"\xff\xff", b"\xff\xfe"),
        ("soc_percent", slice(44, 45), b"\xff", b"\xfe"),
    ],
)
def test_invalid_and_abnormal_values_are_none(name: str, written: slice, invalid: bytes, abnormal: bytes) -> None:
    values = []
    for value in (invalid, abnormal):
        raw = bytearray(with_units(VEHICLE_AND_LOCATION[0]))
        raw[written] = value
        values.append(getattr(decode(with_byte(bytes(raw), 33, 1)), name))
    assert values == [None, None]


@pytest.mark.parametrize("alarm_level", [0xFE, 0xFF])
def test_invalid_or_abnormal_alarm_level_is_none(alarm_level: int) -> None:
    assert decode(with_units(bytes([7, alarm_level, *bytes(8)]))).alarm_level is None


@pytest.mark.parametrize("longitude", [180_000_001, 0xFFFFFFFE, 0xFFFFFFFF])
def test_longitude_above_180_degrees_is_none(longitude: int) -> None:
    assert decode(with_units(b"\x05\x00" + longitude.to_bytes(4) + bytes(4))).longitude is None


@pytest.mark.parametrize("latitude", [90_000_001, 0xFFFFFFFE, 0xFFFFFFFF])
def test_latitude_above_90_degrees_is_none(latitude: int) -> None:
    assert decode(with_units(b"\x05\x00" + bytes(4) + latitude.to_bytes(4))).latitude is None


@pytest.mark.parametrize(
    ("state", "longitude", "latitude"), [(0, 110.5, 32.25), (2, 110.5, -32.25), (4, -110.5, 32.25), (7, -110.5, -32.25)]
)
def test_position_is_negative_in_the_south_and_in_the_west(state: int, longitude: float, latitude: float) -> None:
    frame = decode(with_units(bytes([5, state]) + (110_500_000).to_bytes(4) + (32_250_000).to_bytes(4)))
    assert (frame.longitude, frame.latitude) == (longitude, latitude)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (logout(), "offline"),
        (login(), "stopped"),
        (realtime(alarm_level=1, charging_state=1), "alerting"),
        (realtime(alarm_level=0, charging_state=1), "charging"),
        (realtime(charging_state=2, speed_kmh=50), "charging"),
        (realtime(alarm_level=None, speed_kmh=0.1), "driving"),
        (realtime(speed_kmh=0.1, command=REISSUED), "driving"),
        (realtime(speed_kmh=0), "stopped"),
        (realtime(speed_kmh=None), "stopped"),
        (realtime(speed_kmh=50, vehicle_state=2), "stopped"),
        (realtime(speed_kmh=0, charging_state=4), "stopped"),
        (realtime(vehicle_state=None, charging_state=None, speed_kmh=None), "stopped"),
        (with_units(bytes([7, 3, *bytes(8)])), "alerting"),
        (with_units(bytes([7, 0, *bytes(8)])), None),
        (with_units(VEHICLE_AND_LOCATION[1]), None),
        (heartbeat(), None),
        (encode_frame(vin=vin(), command=CLOCK), None),
    ],
)
def test_status_follows_from_command_alarm_charging_and_speed(raw: bytes, status: str | None) -> None:
    assert decode(raw).status == status


@pytest.mark.parametrize("encryption", [2, 3, 0xFE, 0xFF])
def test_encrypted_data_are_kept_and_not_decoded(encryption: int) -> None:
    data = encode_time(NOON) + VEHICLE_AND_LOCATION[0]
    frame = decode(encode_frame(vin=vin(), command=REALTIME, data=data, encryption=encryption))
    assert (frame.recorded_at, frame.units, frame.status, frame.undecoded) == (None, (), None, data)


@pytest.mark.parametrize(("position", "value"), [(25, 13), (25, 0), (26, 32), (27, 24), (28, 60), (29, 60)])
def test_impossible_date_is_none_but_units_are_decoded(position: int, value: int) -> None:
    frame = decode(with_byte(realtime(speed_kmh=50), position, value))
    assert (frame.recorded_at, frame.speed_kmh) == (None, 50)


@pytest.mark.parametrize("command", [1, 2, 3, 4])
def test_data_without_a_complete_time_are_kept_undecoded(command: int) -> None:
    frame = decode(encode_frame(vin=vin(), command=command, data=bytes(5)))
    assert (frame.recorded_at, frame.undecoded) == (None, bytes(5))


def test_heartbeat_has_no_time() -> None:
    frame = decode(encode_frame(vin=vin(), command=HEARTBEAT, data=encode_time(NOON)))
    assert frame.recorded_at is None


def test_time_is_in_china_standard_time() -> None:
    recorded_at = decode(realtime(recorded_at=datetime(2026, 5, 4, 12, tzinfo=UTC))).recorded_at
    assert recorded_at is not None
    assert recorded_at.isoformat() == "2026-05-04T20:00:00+08:00"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda raw: raw[:0], "length is 0 bytes, expected at least 25"),
        (lambda raw: raw[:24], "length is 24 bytes, expected at least 25"),
        (lambda raw: b"$$" + raw[2:], "start bytes are 0x2424, expected 0x2323"),
        (lambda raw: raw[:-1], "length is 30 bytes, expected 31: the length field says 6 bytes of data"),
        (lambda raw: raw + b"\0", "length is 32 bytes, expected 31: the length field says 6 bytes of data"),
        (lambda raw: raw[:-1] + b"\x58", "checksum is 0x58, computed 0x59"),
        (lambda raw: with_byte(raw, 4, ord("l")), "VIN is 'lGHB2V190FC200001', expected 17 of A-Z and 0-9"),
        (lambda raw: with_byte(raw, 4, 0), r"VIN is '\x00GHB2V190FC200001', expected 17 of A-Z and 0-9"),
    ],
    ids=["empty", "no length", "start", "cut", "too long", "checksum", "small letter", "NUL"],
)
def test_error_has_the_found_and_the_expected_value(change: Callable[[bytes], bytes], problem: str) -> None:
    with pytest.raises(InvalidFrame) as caught:
        decode(change(REAL_RAW[0]))
    assert caught.value.problem == problem


@given(st.binary(max_size=120))
def test_random_bytes_are_decoded_or_invalid(raw: bytes) -> None:
    assert is_frame_or_invalid(raw)


@given(st.sampled_from([1, 2, 3, 4, 7, 8, 200]), st.binary(max_size=400), st.sampled_from([1, 2]))
def test_random_data_with_a_correct_header_are_decoded(command: int, data: bytes, encryption: int) -> None:
    raw = encode_frame(vin=vin(), command=command, data=data, encryption=encryption)
    assert decode(raw).raw == raw


@given(st.binary(max_size=300))
def test_units_and_undecoded_bytes_are_all_of_the_data(units: bytes) -> None:
    frame = decode(with_units(units))
    assert b"".join(bytes([unit.type]) + unit.body for unit in frame.units) + frame.undecoded == units


@given(st.sampled_from(REAL_RAW), st.data())
def test_real_frame_with_a_changed_data_byte_is_decoded(raw: bytes, data: st.DataObject) -> None:
    changed = with_byte(raw, data.draw(st.integers(24, len(raw) - 2)), data.draw(st.integers(0, 255)))
    assert decode(changed).vin == decode(raw).vin


@given(st.sampled_from(REAL_RAW), st.data())
def test_real_frame_with_a_wrong_byte_is_invalid(raw: bytes, data: st.DataObject) -> None:
    changed = bytearray(raw)
    changed[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidFrame):
        decode(bytes(changed))


@given(st.sampled_from(REAL_RAW), st.data())
def test_incomplete_real_frame_is_invalid(raw: bytes, data: st.DataObject) -> None:
    with pytest.raises(InvalidFrame):
        decode(raw[: data.draw(st.integers(0, len(raw) - 1))])


tenths = st.integers(0, 0xFFFD).map(lambda value: value / 10)
states = st.none() | st.integers(0, 0xFD)
reports = st.builds(
    Report,
    vehicle_state=states,
    charging_state=states,
    speed_kmh=st.none() | tenths,
    mileage_km=st.none() | st.integers(0, 0xFFFFFFFD).map(lambda value: value / 10),
    voltage_v=st.none() | tenths,
    current_a=st.none() | st.integers(-10_000, 0xFFFD - 10_000).map(lambda value: value / 10),
    soc_percent=states,
    longitude=st.none() | st.integers(-180_000_000, 180_000_000).map(lambda value: value / 1_000_000),
    latitude=st.none() | st.integers(-90_000_000, 90_000_000).map(lambda value: value / 1_000_000),
    alarm_level=states,
    cells=st.integers(0, 255),
    probes=st.integers(0, 300),
)
moments = st.datetimes(datetime(2000, 1, 2), datetime(2255, 12, 30), timezones=st.just(UTC))


@given(reports, moments)
def test_encoded_report_is_decoded_to_the_same_values(report: Report, moment: datetime) -> None:
    frame = decode(encode_report(report, vin=vin(), recorded_at=moment))
    assert frame.recorded_at == moment.replace(microsecond=0)
    assert frame.undecoded == b""
    for name in STATED_KEYS[5:]:
        assert getattr(frame, name) == getattr(report, name), name


@given(st.binary(max_size=2_000))
def test_checksum_is_the_xor_of_all_bytes(content: bytes) -> None:
    assert checksum(content) == reduce(operator.xor, content, 0)


def test_checksum_of_the_longest_frame_is_the_xor_of_all_bytes() -> None:
    content = bytes(range(256)) * 256 + b"\x07" * 24
    assert checksum(content) == reduce(operator.xor, content, 0)


def test_longest_frame_is_decoded() -> None:
    raw = with_units(b"\x80\xff\xf6" + bytes(65_526))
    assert [len(unit.body) for unit in decode(raw).units] == [65_528]


@given(st.lists(st.sampled_from([*REAL_RAW, heartbeat()]), max_size=8))
def test_stream_is_split_into_its_frames(raw_frames: list[bytes]) -> None:
    assert list(split(b"".join(raw_frames))) == raw_frames


@given(st.binary(max_size=200))
def test_random_stream_is_split_or_invalid(stream: bytes) -> None:
    frames: list[bytes] = []
    place: tuple[int | None, int | None] | None = None
    try:
        frames.extend(split(stream))
    except InvalidFrame as error:
        place = error.index, error.offset
    whole = b"".join(frames)
    assert stream.startswith(whole)
    assert place == (None if whole == stream else (len(frames), len(whole)))


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (b"x", "start bytes are 0x78, expected 0x2323"),
        (b"xy" + bytes(40), "start bytes are 0x7879, expected 0x2323"),
        (b"#", "length is 1 bytes, expected at least 25"),
        (REAL_RAW[0][:24], "length is 24 bytes, expected at least 25"),
        (REAL_RAW[0][:-1], "length is 30 bytes, expected 31"),
    ],
)
def test_error_in_a_stream_has_index_and_offset(rest: bytes, problem: str) -> None:
    with pytest.raises(InvalidFrame) as caught:
        list(split(REAL_RAW[0] + REAL_RAW[2] + rest))
    assert str(caught.value) == f"frame 2 at byte 72: {problem}"


def test_frames_before_an_error_in_a_stream_are_yielded() -> None:
    frames = split(REAL_RAW[0] + b"x")
    assert next(frames) == REAL_RAW[0]
