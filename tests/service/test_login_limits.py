"""Failed logins are logged, counted and limited, at the token endpoint and at the admin's login."""

import logging
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from observability.recorders.log_records import record_facts
from service import login_limits
from service.models import User

# Without transaction=True REST framework would mark the transaction of the test for rollback.
pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "/api/v1/auth/token/"
LOGIN = "/admin/login/"
RIGHT = "a good password"
IN_A_WINDOW = 1_000_000.0 * login_limits.WINDOW_S + 60


@pytest.fixture(autouse=True)
def counters(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Count failures in an empty directory, 60 seconds after the start of a window; return the directory."""
    settings.LOGIN_FAILURES_DIR = str(tmp_path / "failures")
    monkeypatch.setattr(login_limits, "now", lambda: IN_A_WINDOW)
    return tmp_path / "failures"


def log_in(
    path: str = TOKEN, username: str = "driver", password: str = "wrong", address: str = "192.0.2.1"
) -> HttpResponse:
    values = {"username": username, "password": password}
    response = Client(REMOTE_ADDR=address).post(path, values)
    assert isinstance(response, HttpResponse)
    return response


def fail(times: int, **others: str) -> None:
    for _ in range(times):
        assert log_in(**others).status_code in (200, 400)


@pytest.mark.parametrize("path", [TOKEN, LOGIN])
def test_twenty_failures_block_the_address_also_for_the_right_password(path: str, user: User) -> None:
    fail(login_limits.MAX_FAILURES["address"], path=path)
    response = log_in(path, password=RIGHT)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "540")
    assert "Too many failed logins. Try again in 540 seconds." in response.content.decode()


def test_failures_of_all_usernames_count_for_the_address(user: User) -> None:
    for number in range(login_limits.MAX_FAILURES["address"]):
        log_in(username=f"guess {number}")
    assert log_in(password=RIGHT).status_code == 429


def test_failures_at_both_doors_count_together(user: User) -> None:
    fail(10, path=TOKEN)
    fail(10, path=LOGIN)
    assert log_in(TOKEN, password=RIGHT).status_code == log_in(LOGIN, password=RIGHT).status_code == 429


def test_other_addresses_are_not_blocked(user: User) -> None:
    fail(login_limits.MAX_FAILURES["address"])
    assert log_in(password=RIGHT, address="192.0.2.2").status_code == 200


def test_addresses_of_one_ipv6_network_count_together(user: User) -> None:
    for number in range(login_limits.MAX_FAILURES["address"]):
        log_in(address=f"2001:db8::{number:x}")
    assert log_in(password=RIGHT, address="2001:db8::ffff:1").status_code == 429
    assert log_in(password=RIGHT, address="2001:db8:0:1::1").status_code == 200


def test_ipv4_address_in_the_form_of_ipv6_is_the_same_address(user: User) -> None:
    fail(login_limits.MAX_FAILURES["address"], address="::ffff:192.0.2.1")
    assert log_in(password=RIGHT).status_code == 429


def test_hundred_failures_from_many_addresses_block_the_username(user: User) -> None:
    for number in range(login_limits.MAX_FAILURES["username"]):
        log_in(address=f"198.51.100.{number}")
    assert log_in(password=RIGHT).status_code == 429
    assert log_in(username="other").status_code == 400


def test_a_blocked_attempt_does_not_count(user: User, counters: Path) -> None:
    fail(login_limits.MAX_FAILURES["address"])
    for _ in range(3):
        log_in()
    assert max(path.stat().st_size for path in counters.rglob("*") if path.is_file()) == 20


def test_the_next_window_starts_without_failures(user: User, monkeypatch: pytest.MonkeyPatch, counters: Path) -> None:
    fail(login_limits.MAX_FAILURES["address"])
    monkeypatch.setattr(login_limits, "now", lambda: IN_A_WINDOW + 540)
    assert log_in(password=RIGHT).status_code == 200
    log_in()
    assert [path.name for path in counters.iterdir()] == ["1000001"]


def test_files_are_private_and_do_not_have_names(user: User, counters: Path) -> None:
    log_in()
    assert {path.stat().st_mode & 0o777 for path in counters.rglob("*")} == {0o600, 0o700}
    assert not [path for path in counters.rglob("*") if "driver" in path.name or "192" in path.name]


def test_a_successful_login_is_not_counted(user: User, counters: Path) -> None:
    for _ in range(login_limits.MAX_FAILURES["address"] + 1):
        assert log_in(password=RIGHT).status_code == 200
    assert not counters.exists()


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, dict[str, object]]]:
    return [
        (record.getMessage(), record.levelno, record_facts(record))
        for record in caplog.records
        if record.name == "service.login_limits"
    ]


@pytest.mark.parametrize("path", [TOKEN, LOGIN])
def test_failure_is_logged_with_username_and_address(path: str, user: User, caplog: pytest.LogCaptureFixture) -> None:
    log_in(path)
    facts = {"username": "driver", "client.address": "192.0.2.1"}
    assert events(caplog) == [("login_failed", logging.WARNING, facts)]


def test_unknown_username_is_not_logged_because_it_may_be_a_password(
    user: User, caplog: pytest.LogCaptureFixture
) -> None:
    log_in(username=RIGHT)
    assert events(caplog) == [("login_failed", logging.WARNING, {"username": None, "client.address": "192.0.2.1"})]
    assert not [record for record in caplog.records if RIGHT in f"{record.getMessage()}{vars(record)}"]


def test_blocked_login_is_logged_with_its_limit(user: User, caplog: pytest.LogCaptureFixture) -> None:
    fail(login_limits.MAX_FAILURES["address"])
    caplog.clear()
    log_in()
    facts = {"limit": "address", "username": "driver", "client.address": "192.0.2.1"}
    assert events(caplog) == [("login_blocked", logging.WARNING, facts)]


def test_directory_that_cannot_be_written_is_logged_and_the_answer_is_the_same(
    user: User, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.touch()
    settings.LOGIN_FAILURES_DIR = str(file / "failures")
    assert log_in().status_code == 400
    assert ("login_failure_not_counted", logging.WARNING) in [event[:2] for event in events(caplog)]


def test_login_outside_of_a_request_counts_for_the_username(user: User) -> None:
    for _ in range(login_limits.MAX_FAILURES["username"]):
        assert authenticate(username="driver", password="wrong") is None
    with pytest.raises(login_limits.LoginBlocked):
        authenticate(username="driver", password=RIGHT)
