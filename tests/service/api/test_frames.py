"""/api/v1/telemetry/frames/"""

import json
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client
from rest_framework.test import APIClient

from observability.recorders.log_records import record_facts
from service.api import parsers
from service.gbt32960 import CHINA_STANDARD_TIME
from service.models import TelemetryFrame, Truck
from tests.service.conftest import ConstantQueries, QueryBudget
from tests.service.fleet import REAL_FRAMES, heartbeat, make_trucks, many_realtime, realtime, vin

pytestmark = pytest.mark.django_db

FRAMES = "/api/v1/telemetry/frames/"
BYTES = "application/octet-stream"
REAL_HEX = [entry["hex"] for entry in REAL_FRAMES]
WRONG_CHECKSUM = REAL_HEX[0][:-2] + "00"


def post(client: APIClient, *texts: object) -> tuple[int, dict[str, Any]]:
    response = client.post(FRAMES, {"frames": texts})
    return response.status_code, response.json()


def post_bytes(client: APIClient, body: bytes) -> tuple[int, dict[str, Any]]:
    response = client.post(FRAMES, body, content_type=BYTES)
    return response.status_code, response.json()


def expected_counts(**others: int) -> dict[str, int]:
    return dict.fromkeys(("received", "stored", "duplicates", "heartbeats", "trucks_registered"), 0) | others


def test_post_without_login_returns_401() -> None:
    assert Client().post(FRAMES).status_code == 401


def test_get_is_not_allowed(client: APIClient) -> None:
    assert client.get(FRAMES).status_code == 405


def test_real_frames_are_stored(client: APIClient) -> None:
    assert post(client, *REAL_HEX) == (201, expected_counts(received=4, stored=4, trucks_registered=4))
    assert TelemetryFrame.objects.count() == 4


def test_stored_frames_are_not_stored_again(client: APIClient) -> None:
    post(client, *REAL_HEX)
    assert post(client, *REAL_HEX) == (200, expected_counts(received=4, duplicates=4))
    assert TelemetryFrame.objects.count() == 4


def test_one_new_frame_among_duplicates_is_stored(client: APIClient) -> None:
    post(client, *REAL_HEX[1:])
    assert post(client, *REAL_HEX) == (201, expected_counts(received=4, stored=1, duplicates=3, trucks_registered=1))


def test_heartbeats_alone_store_nothing(client: APIClient) -> None:
    make_trucks(1)
    assert post(client, heartbeat().hex()) == (200, expected_counts(received=1, heartbeats=1))


def test_binary_body_stores_the_same_frames_as_json(client: APIClient) -> None:
    stream = b"".join(map(bytes.fromhex, REAL_HEX))
    assert post_bytes(client, stream) == (201, expected_counts(received=4, stored=4, trucks_registered=4))
    assert post(client, *REAL_HEX) == (200, expected_counts(received=4, duplicates=4))


def test_frame_sets_the_status_of_its_truck(client: APIClient) -> None:
    post(client, REAL_HEX[3])
    truck = Truck.objects.get()
    assert (truck.vin, truck.status) == (REAL_FRAMES[3]["vin"], "driving")
    assert truck.status_at is not None
    assert truck.status_at.astimezone(CHINA_STANDARD_TIME).isoformat() == REAL_FRAMES[3]["recorded_at"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (WRONG_CHECKSUM, "checksum is 0x00, computed 0x59"),
        ("2323", "length is 2 bytes, expected at least 25"),
        ("", "length is 0 bytes, expected at least 25"),
        ("zz", "not hexadecimal: each byte is two digits of 0-9 and a-f"),
        ("232", "not hexadecimal: each byte is two digits of 0-9 and a-f"),
        ("23 23", "not hexadecimal: each byte is two digits of 0-9 and a-f"),
        ("２３", "not hexadecimal: each byte is two digits of 0-9 and a-f"),
        (7, "not a string"),
        (None, "not a string"),
        ({"hex": "2323"}, "not a string"),
    ],
)
def test_invalid_frame_is_reported_with_its_index_and_error(text: object, error: str, client: APIClient) -> None:
    assert post(client, REAL_HEX[0], REAL_HEX[1], text, REAL_HEX[2]) == (
        400,
        {
            "detail": "Nothing was stored: some frames are invalid.",
            "invalid_count": 1,
            "frames": [{"index": 2, "error": error}],
        },
    )


# Without transaction=True REST framework would mark the transaction of the test for rollback.
@pytest.mark.django_db(transaction=True)
def test_one_invalid_frame_prevents_storing_the_others(client: APIClient) -> None:
    post(client, *REAL_HEX, WRONG_CHECKSUM)
    assert (TelemetryFrame.objects.count(), Truck.objects.count()) == (0, 0)


def test_first_20_invalid_frames_are_listed_and_all_are_counted(client: APIClient) -> None:
    _, answer = post(client, REAL_HEX[0], *["00"] * 30)
    assert answer["invalid_count"] == 30
    assert [frame["index"] for frame in answer["frames"]] == list(range(1, 21))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"frames": [', "The body is not JSON: Expecting value: line 1 column 13 (char 12)"),
        (b"\xff\xfe\xff", "The body is not JSON: 'utf-16-le' codec can't decode byte 0xff in position 2"),
        (b"[" * 100_000, "The body is not JSON: maximum recursion depth exceeded"),
        (b'["2323"]', 'The body is not a JSON object with the key "frames".'),
        (b'{"frame": []}', 'The body is not a JSON object with the key "frames".'),
        (b'{"frames": "2323"}', '"frames" is not a list of hexadecimal strings.'),
        (b'{"frames": {"0": "2323"}}', '"frames" is not a list of hexadecimal strings.'),
        (b'{"frames": null}', '"frames" is not a list of hexadecimal strings.'),
        (b'{"frames": []}', "The body has no frames."),
        (b"", "The body has no frames."),
    ],
)
def test_malformed_body_returns_400_with_the_reason(body: bytes, error: str, client: APIClient) -> None:
    response = client.post(FRAMES, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["detail"].startswith(error)


def test_empty_binary_body_returns_400(client: APIClient) -> None:
    assert post_bytes(client, b"") == (400, {"detail": "The body has no frames."})


def test_incomplete_last_frame_is_reported_with_index_and_byte(client: APIClient) -> None:
    stream = b"".join(map(bytes.fromhex, REAL_HEX))
    assert post_bytes(client, stream[:-1]) == (
        400,
        {
            "detail": "Nothing was stored: some frames are invalid.",
            "invalid_count": 1,
            "frames": [{"index": 3, "error": "at byte 127: length is 484 bytes, expected 485"}],
        },
    )


def test_invalid_frame_in_a_binary_body_is_reported_with_its_index(client: APIClient) -> None:
    _, answer = post_bytes(client, bytes.fromhex(REAL_HEX[1] + WRONG_CHECKSUM + REAL_HEX[2]))
    assert answer["frames"] == [{"index": 1, "error": "checksum is 0x00, computed 0x59"}]


def test_five_thousand_frames_are_accepted(client: APIClient) -> None:
    raw_frames = many_realtime(5_000, trucks=50)
    status, answer = post(client, *(raw.hex() for raw in raw_frames))
    assert (status, answer["stored"]) == (201, 5_000)


@pytest.mark.parametrize("content_type", ["application/json", BYTES])
def test_more_than_five_thousand_frames_are_refused(content_type: str, client: APIClient) -> None:
    one = heartbeat()
    body = one * 5_001 if content_type == BYTES else json.dumps({"frames": [one.hex()] * 5_001})
    response = client.post(FRAMES, body, content_type=content_type)
    assert response.status_code == 400
    assert "at most 5000 are allowed" in response.json()["detail"]


@pytest.mark.parametrize("content_type", ["application/json", BYTES])
def test_body_over_the_limit_is_refused_before_it_is_read(
    content_type: str, client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_request: HttpRequest, *_: object) -> bytes:
        raise AssertionError("the body was read")

    monkeypatch.setattr(HttpRequest, "read", refuse)
    response = client.post(FRAMES, b"#", content_type=content_type, CONTENT_LENGTH=str(parsers.MAX_BODY_BYTES + 1))
    assert response.status_code == 413
    assert response.json()["detail"].startswith("The body has 33554433 bytes; at most 33554432 are allowed.")


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x"])
def test_other_content_types_return_415(content_type: str, client: APIClient) -> None:
    assert client.post(FRAMES, b"x", content_type=content_type).status_code == 415


@pytest.mark.parametrize("known", [0, 1])
def test_query_count_does_not_depend_on_the_number_of_trucks(
    known: int, client: APIClient, django_assert_constant_queries: ConstantQueries
) -> None:
    texts: list[str] = []

    def send_from(trucks: int) -> None:
        make_trucks(known * trucks)
        texts[:] = [raw.hex() for raw in many_realtime(90, trucks)]

    django_assert_constant_queries(send_from, lambda: post(client, *texts))


def test_thousand_frames_of_unknown_trucks_need_six_queries(
    client: APIClient, django_assert_query_budget: QueryBudget
) -> None:
    texts = [raw.hex() for raw in many_realtime(1_000, trucks=100)]
    with django_assert_query_budget(exact=6):  # all of them in ingest_frames()
        assert post(client, *texts)[0] == 201


def test_access_log_has_the_number_of_received_and_stored_frames(
    client: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="observability.access"):
        post(client, realtime().hex(), heartbeat().hex())
    record = next(record for record in caplog.records if record.name == "observability.access")
    facts = record_facts(record)
    assert (facts["frames_received"], facts["frames_stored"]) == (2, 1)


def test_ingestion_logs_one_event(client: APIClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="service"):
        post(client, realtime().hex(), realtime(2).hex())
    events = [record for record in caplog.records if record.name.startswith("service")]
    assert [event.getMessage() for event in events] == ["frames_ingested"]


def test_truck_registered_by_its_first_frame_is_in_the_api(client: APIClient) -> None:
    post(client, realtime(speed_kmh=61.5).hex())
    found = client.get(f"/api/v1/trucks/{vin()}/").json()
    assert (found["status"], found["latest_frame"]["speed_kmh"]) == ("driving", 61.5)


def test_chunked_body_returns_411_and_names_content_length(client: APIClient) -> None:
    response = client.post(
        "/api/v1/telemetry/frames/", headers={"transfer-encoding": "chunked"}, content_type="application/json"
    )
    assert response.status_code == 411
    assert "Content-Length" in response.json()["detail"]
