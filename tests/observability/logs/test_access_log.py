"""The lines that close requests and other work."""

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
def captured(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize("path", ["/who/", "/whoever/"])
def test_user_that_the_view_read_is_logged(client: Client, caplog: pytest.LogCaptureFixture, path: str) -> None:
    user = get_user_model().objects.create_user("ada")
    client.force_login(user)
    client.get(path)
    assert facts(caplog)["user.id"] == str(user.pk)


def test_nobody_is_named_where_nobody_is_logged_in(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/who/")
    assert facts(caplog)["user.id"] is None


def test_client_behind_a_trusted_proxy_is_named(
    client: Client, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"TRUSTED_PROXY_COUNT": 1}
    client.get("/ordinary/0/", headers={"x-forwarded-for": "203.0.113.9"})
    assert facts(caplog)["client.address"] == "203.0.113.9"


def test_answer_to_head_has_no_body(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.head("/ordinary/0/")
    assert facts(caplog)["http.response.body.size"] == 0


def test_view_that_ends_the_process_is_an_error(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit):
        client.get("/leaving/")
    (record,) = [each for each in caplog.records if each.name == "observability.access"]
    assert (record.levelname, record_facts(record)["error.type"]) == ("ERROR", "SystemExit")


def test_long_path_and_user_agent_are_cut(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/" + "x" * 10_000, headers={"user-agent": "y" * 10_000})
    assert (len(facts(caplog)["url.path"]), len(facts(caplog)["user_agent.original"])) == (2_048, 512)


def test_note_overwrites_no_key_of_the_line(caplog: pytest.LogCaptureFixture) -> None:
    with observe("work"):
        note(**{"db.query_count": "mine", "imported": 3})
    assert facts(caplog, "observability.span")["db.query_count"] == 0
    assert facts(caplog, "observability.span")["note.db.query_count"] == "mine"
    assert facts(caplog, "observability.span")["imported"] == 3
    assert "note.imported" not in facts(caplog, "observability.span")


def test_work_that_ended_with_an_expected_exception_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyError), observe("work", expected=(KeyError,)):
        raise KeyError("expected")
    (record,) = [each for each in caplog.records if each.name == "observability.span"]
    assert (record.levelname, record.exc_info, record_facts(record)["error.type"]) == ("WARNING", None, "KeyError")


def test_facts_that_were_too_many_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with observe("work"):
        note(**{f"key_{number}": number for number in range(40)})
    assert facts(caplog, "observability.span")["dropped_fact_count"] == 8


def test_failed_work_has_its_traceback_in_the_outermost_line_alone(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="broken"), observe("outer"), observe("inner"):
        raise ValueError("broken")
    ends = [each for each in caplog.records if each.name == "observability.span"]
    tracebacks = {each.__dict__["facts"]["span.name"]: bool(each.exc_info) for each in ends}
    assert tracebacks == {"inner": False, "outer": True}


def test_health_check_that_succeeds_has_no_line(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/livez")
    client.get("/ordinary/0/")
    assert facts(caplog)["url.path"] == "/ordinary/0/"


def test_health_check_that_fails_has_a_line(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.post("/livez")
    assert facts(caplog)["http.response.status_code"] == 405
