"""The access log lines of requests, commands and spans."""

import logging
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from pytest_django import Settings

from observability import note, observe
from observability.recorders.log_records import record_facts

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.probe.urls")]


def facts(caplog: pytest.LogCaptureFixture, logger: str = "observability.access") -> dict[str, Any]:
    (record,) = [each for each in caplog.records if each.name == logger]
    return record_facts(record)


@pytest.fixture(autouse=True)
def capture_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize("path", ["/who/", "/async-user/"])
def test_user_is_logged_if_the_view_has_read_it(client: Client, caplog: pytest.LogCaptureFixture, path: str) -> None:
    user = get_user_model().objects.create_user("ada")
    client.force_login(user)
    client.get(path)
    assert facts(caplog)["user.id"] == str(user.pk)


def test_user_is_not_logged_if_no_user_is_logged_in(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/who/")
    assert facts(caplog)["user.id"] is None


def test_client_address_behind_a_trusted_proxy_is_logged(
    client: Client, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"TRUSTED_PROXY_COUNT": 1}
    client.get("/ordinary/0/", headers={"x-forwarded-for": "203.0.113.9"})
    assert facts(caplog)["client.address"] == "203.0.113.9"


def test_response_to_head_has_no_body(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.head("/ordinary/0/")
    assert facts(caplog)["http.response.body.size"] == 0


def test_system_exit_in_a_view_is_an_error(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit):
        client.get("/leaving/")
    (record,) = [each for each in caplog.records if each.name == "observability.access"]
    assert (record.levelname, record_facts(record)["error.type"]) == ("ERROR", "SystemExit")


def test_long_path_and_user_agent_are_cut(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/" + "x" * 10_000, headers={"user-agent": "y" * 10_000})
    assert (len(facts(caplog)["url.path"]), len(facts(caplog)["user_agent.original"])) == (2_048, 512)


def test_note_does_not_overwrite_a_key_of_the_line(caplog: pytest.LogCaptureFixture) -> None:
    with observe("work"):
        note(**{"db.query_count": "mine", "imported": 3})
    assert facts(caplog, "observability.span")["db.query_count"] == 0
    assert facts(caplog, "observability.span")["note.db.query_count"] == "mine"
    assert facts(caplog, "observability.span")["imported"] == 3
    assert "note.imported" not in facts(caplog, "observability.span")


def test_expected_exception_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyError), observe("work", expected=(KeyError,)):
        raise KeyError("expected")
    (record,) = [each for each in caplog.records if each.name == "observability.span"]
    assert (record.levelname, record.exc_info, record_facts(record)["error.type"]) == ("WARNING", None, "KeyError")


def test_dropped_facts_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with observe("work"):
        note(**{f"key_{number}": number for number in range(40)})
    assert facts(caplog, "observability.span")["dropped_fact_count"] == 8


def test_traceback_is_only_in_the_line_of_the_outermost_observation(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="broken"), observe("outer"), observe("inner"):
        raise ValueError("broken")
    ends = [each for each in caplog.records if each.name == "observability.span"]
    tracebacks = {each.__dict__["facts"]["span.name"]: bool(each.exc_info) for each in ends}
    assert tracebacks == {"inner": False, "outer": True}


def test_successful_health_check_is_not_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/livez")
    client.get("/ordinary/0/")
    assert facts(caplog)["url.path"] == "/ordinary/0/"


def test_failed_health_check_is_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.post("/livez")
    assert facts(caplog)["http.response.status_code"] == 405
