"""Requests that no view can answer get a 4xx status with a reason, never a 500."""

import json
from typing import Any

import pytest
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from service.models import User
from settings.wsgi import application
from tests.service.fleet import make_trucks, vin

pytestmark = pytest.mark.django_db

TRUCKS = "/api/v1/trucks/"
TOKEN = "/api/v1/auth/token/"
FRAMES = "/api/v1/telemetry/frames/"
LOGIN = "/admin/login/"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=x"
FIELD = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\nv\r\n'
LIMITS = {TOKEN: 128 * 1024, TRUCKS: 128 * 1024, FRAMES: 32 * 1024 * 1024, LOGIN: 1024 * 1024}


def reason(response: Any) -> tuple[int, str]:
    """Return the status and the text of the response."""
    return response.status_code, response.content.decode()


def assert_refused(response: Any, status: int, text: str) -> None:
    found, body = reason(response)
    assert (found, text in body) == (status, True), body


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"[" * 100_000, "more than 32 levels"),
        (b'{"a":' * 10_000, "more than 32 levels"),
        (b"[" * 900 + b"]" * 900, "more than 32 levels"),
        (b'{"status":' + b"[" * 33 + b"]" * 33 + b"}", "more than 32 levels"),
        (b'{"vin":1e999}', "1e999… is too large"),
        (b'{"truck_model":-1e999}', "-1e999… is too large"),
        (b'{"truck_model":' + b"9" * 309 + b"}", "is too large"),
        (b'{"truck_model":' + b"9" * 5_000 + b"}", "is too large"),
        (b'{"vin":NaN}', "NaN"),
        (b'{"vin":Infinity}', "Infinity"),
        (b'{"vin":"\xff"}', "can't decode byte 0xff"),
        ('{"vin":"x"}'.encode("utf-16"), "can't decode byte 0xff"),
        (b'{"\\ud800":1}', "one half of a surrogate pair"),
        (b'["\\ud800"]', "one half of a surrogate pair"),
        (b'{"status":"\\udfff"}', "status"),
        (b'{"status":{"a":["\\uD800"]}}', "status"),
        (b'{"finance_type":{"\\ud800":1}}', "finance_type"),
        (b'{"truck_model":"\\ud800"}', "truck_model"),
        (b'{"vin":"\\u0000"}', "vin"),
        (b'{"truck_model":"\\u0000"}', "truck_model"),
        (b'{"truck_model":1e300}', "truck_model"),
        (b"null", ""),
        (b"[]", ""),
    ],
)
@pytest.mark.parametrize("path", [TRUCKS, TOKEN])
def test_json_that_cannot_be_used_is_refused(path: str, body: bytes, problem: str, client: APIClient) -> None:
    response = client.post(path, body, content_type=JSON)
    status, text = reason(response)
    assert status == 400, text
    # The token endpoint does not have the fields of a truck.
    assert problem in text or (path == TOKEN and "username" in text)


def test_json_of_32_levels_and_a_surrogate_pair_is_accepted(client: APIClient) -> None:
    body = b'{"vin":"%b","other":"\\ud83d\\ude9a","more":%b}' % (vin().encode(), b"[" * 31 + b"]" * 31)
    assert client.post(TRUCKS, body, content_type=JSON).status_code == 201


def test_five_thousand_frames_fit_and_a_million_values_are_not_parsed(client: APIClient) -> None:
    body = b'{"frames":[' + b"[]," * 1_000_000 + b"[]]}"
    assert_refused(client.post(FRAMES, body, content_type=JSON), 400, "too many values; at most 5000 frames")


@pytest.mark.parametrize("character", ["\N{ARTICULATED LORRY}".encode(), b"\\ud83d\\ude9a"])
def test_large_body_of_frames_with_other_characters_is_not_parsed(character: bytes, client: APIClient) -> None:
    body = b'{"frames":["' + b"2" * 1024 * 1024 + character + b'"]}'
    assert_refused(client.post(FRAMES, body, content_type=JSON), 400, "must have only ASCII characters")


@pytest.mark.parametrize(
    ("content_type", "body", "status", "problem"),
    [
        (FORM, b"a=1&" * 1_001, 400, "more than 1000 fields"),
        (MULTIPART, b"".join(FIELD % (b"a%d" % number, b"") for number in range(1_001)) + b"--x--\r\n", 400, "1000"),
        (MULTIPART, FIELD % (b"f", b'; filename="a"') * 101 + b"--x--\r\n", 400, "more than 100 files"),
        ("multipart/form-data", b"x", 400, "boundary"),
        (f"{FORM}; charset=utf-16", b"a=1", 415, "charset"),
        (f"{FORM}; charset=base64", b"a=1", 415, "charset"),
        (f"{FORM}; charset=zlib", b"a=1", 415, "charset"),
        (f"{JSON}; charset=undefined", b"{}", 415, "charset"),
        (f"{JSON}; charset=no-such-charset", b"{}", 415, "charset"),
        (f"{JSON}; charset=idna", b"{}", 415, "charset"),
    ],
)
@pytest.mark.parametrize("path", [TRUCKS, TOKEN, LOGIN])
def test_form_or_charset_that_cannot_be_used_is_refused(
    path: str, content_type: str, body: bytes, status: int, problem: str, client: APIClient
) -> None:
    assert_refused(client.post(path, body, content_type=content_type), status, problem)


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf8", "us-ascii", '"utf-8"'])
def test_charset_utf_8_is_accepted(charset: str, client: APIClient) -> None:
    body = json.dumps({"vin": vin()})
    assert client.post(TRUCKS, body, content_type=f"{JSON}; charset={charset}").status_code == 201


@pytest.mark.parametrize("header", ["application/json; charset*=foo''x", "text/plain; a*=zzz''%ff"])
def test_content_type_that_cannot_be_parsed_is_refused(header: str) -> None:
    environ = RequestFactory().get("/livez").environ | {"CONTENT_TYPE": header}
    response = application.get_response(application.request_class(environ))
    assert_refused(response, 400, "The header Content-Type is not valid.")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "foo"])
def test_compressed_body_is_refused(encoding: str, client: APIClient) -> None:
    response = client.post(TRUCKS, b"\x1f\x8b", content_type=JSON, headers={"Content-Encoding": encoding})
    assert_refused(response, 415, f"'{encoding}' is not supported")


@pytest.mark.parametrize("length", ["abc", "-1", "+5", "1_0", "0x5", "٥", "5, 5", "1.0"])
def test_content_length_that_is_not_a_number_is_refused(length: str, client: APIClient) -> None:
    response = client.post(TRUCKS, b"{}", content_type=JSON, CONTENT_LENGTH=length)
    assert_refused(response, 400, "not a number of bytes")


@pytest.mark.parametrize("path", LIMITS)
def test_body_over_the_limit_of_its_view_is_413(path: str, client: APIClient) -> None:
    limit = LIMITS[path]
    response = client.post(path, b"{}", content_type=JSON, CONTENT_LENGTH=str(limit + 1))
    assert_refused(response, 413, f"The body has {limit + 1} bytes; at most {limit} are allowed.")


@pytest.mark.parametrize("path", [TRUCKS, TOKEN, LOGIN])
def test_body_without_a_length_is_411(path: str, client: APIClient) -> None:
    response = client.post(path, headers={"transfer-encoding": "chunked"}, content_type=JSON)
    assert_refused(response, 411, "Content-Length")


@pytest.mark.parametrize("path", ["/livez", "/readyz", TRUCKS, LOGIN, "/api/v1/", f"{TRUCKS}status-counts/"])
@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("a=1&" * 1_001, "more than 1000 parameters"),
        ("&".join(f"a{number}" for number in range(1_001)), "more than 1000 parameters"),
        ("search=%00", "NUL"),
        ("a%00b=1", "NUL"),
    ],
)
def test_query_that_cannot_be_used_is_refused(path: str, query: str, problem: str, client: APIClient) -> None:
    assert_refused(client.get(f"{path}?{query}"), 400, problem)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("search=" + "+".join("a" * 1_000), "The search has 1000 words. At most 20 are allowed."),
        ("search=" + ",".join("a" * 21), "The search has 21 words. At most 20 are allowed."),
        ("ordering=" + ",".join(["vin"] * 900), "Cannot order by 'vin' twice."),
        ("ordering=status,-status", "Cannot order by 'status' twice."),
    ],
)
def test_search_or_order_that_is_too_large_is_refused(query: str, problem: str, client: APIClient) -> None:
    assert_refused(client.get(f"{TRUCKS}?{query}"), 400, problem)


def test_search_for_20_words_is_accepted(client: APIClient) -> None:
    make_trucks(1)
    assert client.get(TRUCKS, {"search": " ".join([vin()[:3]] * 20)}).json()["count"] == 1


def test_search_of_the_admin_has_the_same_limit() -> None:
    administrator = Client()
    administrator.force_login(User.objects.create_superuser("chief"))
    for model in ("manufacturer", "truckmodel", "truck", "telemetryframe", "user"):
        response = administrator.get(f"/admin/service/{model}/", {"q": " ".join("a" * 1_000)})
        assert_refused(response, 400, "The search has 1000 words. At most 20 are allowed.")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Token a\0b"},
        {"Cookie": 'sessionid="aaaaaaaa\\000bbbbbbbb"'},
        {"X-Anything": "\0"},
    ],
)
def test_header_with_a_nul_character_is_refused(headers: dict[str, str]) -> None:
    assert_refused(Client().get(TRUCKS, headers=headers), 400, "A header has a NUL character.")


@pytest.mark.parametrize("path", ["/%00", f"{TRUCKS}%00/", "/admin/%00", "/admin/service/truck/%00/change/"])
def test_path_with_a_nul_character_is_404(path: str, client: APIClient) -> None:
    assert client.get(path).status_code == 404


def test_refused_request_is_a_warning_in_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    Client().get("/livez?search=%00")
    levels = {record.levelname for record in caplog.records}
    assert levels == {"WARNING"}
