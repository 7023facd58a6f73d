"""Documents of profiles for requests of Django's test client."""

import gzip
import json
import logging

import pytest
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import include, path
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField, ModelSerializer
from rest_framework.views import APIView

from observability import note, observe
from observability.core.context import current
from observability.core.steps import Step
from observability.core.timeline import MAX_ENTRIES
from observability.profiler import profile_document
from observability.profiler.profile_document import ProfileDocument, StepDocument, to_json
from observability.profiler.profile_store import store as current_store
from tests.observability.profiler.conftest import document_of
from tests.probe.models import Author, Publisher

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__), pytest.mark.usefixtures("recording")]

log = logging.getLogger("tests.document")
SECRET = "correct-horse-battery"


class AuthorSerializer(ModelSerializer[Author]):
    maker = CharField(source="publisher.name")

    class Meta:
        model = Author
        fields = ("name", "maker")


class Authors(APIView):
    permission_classes = (AllowAny,)
    renderer_classes = (JSONRenderer,)
    queryset = Author.objects.order_by("name")

    def get(self, request: Request) -> Response:
        return Response(AuthorSerializer(self.queryset.all(), many=True).data)


def two_reasons(request: HttpRequest) -> HttpResponse:
    for _ in range(3):
        Publisher.objects.exists()
    Publisher.objects.exists()
    return JsonResponse({})


def order(request: HttpRequest) -> HttpResponse:
    log.warning("first")
    with observe("outer"):
        Publisher.objects.exists()
        log.warning("second")
    log.warning("third")
    return JsonResponse({})


def lines(request: HttpRequest) -> HttpResponse:
    for number in range(3):
        log.warning("listed", extra={"number": number, "password": SECRET, "text": "x" * 400})
    return JsonResponse({})


def surrogates(request: HttpRequest) -> HttpResponse:
    log.warning("half", extra={"number": 2**70, "half": "\ud83d"})
    return HttpResponse(b'{"token": "x", "name": "\\ud83d"}', content_type="application/json")


def logging_secrets(request: HttpRequest) -> HttpResponse:
    note(page=2, api_key=SECRET)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM nowhere WHERE password = '{SECRET}'")
    except DatabaseError:
        log.exception("refused, password=%s", SECRET)
    return JsonResponse({})


def failing(request: HttpRequest) -> HttpResponse:
    message = f"refused by postgres://ada:{SECRET}@db/library"
    raise RuntimeError(message)


def many(request: HttpRequest) -> HttpResponse:
    observation = current()
    assert observation is not None
    assert observation.timeline is not None
    for _ in range(MAX_ENTRIES + 5):
        step = Step("http_client", "GET a 200", "a", 2.0)
        observation.add_step(step)
        observation.timeline.add(step)
    return JsonResponse({})


def receiving(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"received": len(request.body)})


urlpatterns = [
    path("models/", Authors.as_view()),
    path("two-reasons/", two_reasons),
    path("order/", order),
    path("lines/", lines),
    path("surrogates/", surrogates),
    path("logging_secrets/", logging_secrets),
    path("failing/", failing),
    path("many/", many),
    path("receiving/", receiving),
    path("__debug__/requests/", include("observability.profiler.urls")),
]


def request_document(path: str, **headers: str) -> ProfileDocument:
    """Request the path and return the document of its profile."""
    Client(raise_request_exception=False).get(path, headers=headers)
    (row,) = current_store().rows()
    return document_of(row)


def steps_of(document: ProfileDocument, kind: str) -> list[StepDocument]:
    return [step for step in document["steps"] if step["kind"] == kind]


@pytest.fixture
def three_models() -> None:
    for name in ("Fuwa", "Ural", "Volta"):
        Author.objects.create(publisher=Publisher.objects.create(name=name), name="T1")


def test_statement_is_listed_once_for_each_origin(three_models: None) -> None:
    document = request_document("/two-reasons/")
    looped, once = document["statements"]
    assert (looped["count"], once["count"]) == (3, 1)
    assert looped["text"] == once["text"]
    assert looped["origin"]["lines"] != once["origin"]["lines"]
    assert "two_reasons" in looped["origin"]["lines"][0]
    assert [step["statement"] for step in steps_of(document, "query")] == [0, 0, 0, 1]


def test_duration_of_a_statement_is_the_sum_of_its_steps() -> None:
    document = request_document("/two-reasons/")
    for number, statement in enumerate(document["statements"]):
        steps = [step["duration_ms"] for step in steps_of(document, "query") if step["statement"] == number]
        assert statement["duration_ms"] == pytest.approx(sum(steps), abs=0.01)
        assert statement["duration_ms"] > 0


def test_statement_that_ran_once_has_no_hint() -> None:
    looped, once = request_document("/two-reasons/")["statements"]
    assert once["hint"] == ""
    assert looped["hint"] != ""


def test_repeated_statement_of_a_serializer_has_its_field_and_a_hint(three_models: None) -> None:
    listed, repeated = request_document("/models/")["statements"]
    assert (listed["count"], repeated["count"]) == (1, 3)
    assert repeated["summary"] == "SELECT … FROM probe_publisher WHERE …"
    assert repeated["database"] == "default"
    origin = repeated["origin"]
    assert origin["field"] == f"{__name__}.AuthorSerializer.maker (source='publisher.name')"
    assert origin["declared"].startswith("tests/observability/profiler/test_profile_document.py:")
    assert origin["view"] == f"{__name__}.Authors.get"
    assert repeated["hint"].startswith('select_related("publisher") on the queryset of Authors (')


def test_steps_are_ordered_by_start_time() -> None:
    document = request_document("/order/")
    kinds = [(step["kind"], step.get("text")) for step in document["steps"] if step["kind"] in ("log", "query", "span")]
    # The span ended after the steps inside it.
    assert kinds == [("log", "first"), ("span", "outer"), ("query", None), ("log", "second"), ("log", "third")]
    times = [step["at_ms"] for step in document["steps"]]
    assert times == sorted(times)


def test_log_line_has_its_level_its_logger_and_its_facts_without_secrets() -> None:
    line = steps_of(request_document("/lines/"), "log")[1]
    assert (line["text"], line["level"], line["logger"]) == ("listed", "warning", "tests.document")
    assert line["facts"] == {"number": 1, "password": "[redacted]", "text": "x" * 400}


def test_log_lines_over_the_fact_limit_have_no_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_document, "MAX_FACT_BYTES", 1_000)
    found = [step["facts"].get("number") for step in steps_of(request_document("/lines/"), "log")]
    assert found == [0, 1, None]


def test_omitted_facts_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_document, "MAX_FACT_BYTES", 0)
    (text,) = steps_of(request_document("/lines/"), "log")[0]["facts"].values()
    assert "too many facts" in str(text)


def test_facts_of_the_request_are_listed_without_secrets() -> None:
    assert request_document("/logging_secrets/")["facts"] == {"page": 2, "api_key": "[redacted]"}


def test_failed_statement_has_its_error() -> None:
    (query,) = steps_of(request_document("/logging_secrets/"), "query")
    assert "nowhere" in query["error"]


def test_secrets_in_statements_and_log_lines_are_redacted() -> None:
    document = request_document("/logging_secrets/")
    assert "refused, password=[redacted]" in [step["text"] for step in steps_of(document, "log")]
    assert SECRET not in json.dumps(document)


def test_log_line_has_the_traceback_of_a_handled_exception() -> None:
    (line,) = steps_of(request_document("/logging_secrets/"), "log")
    # PostgreSQL's message and the line of code contain the secret. The text between the two secrets is redacted too.
    assert "nowhere" in line["stack"]
    assert "dj_exc_value.with_traceback" in line["stack"]


def test_exception_is_described_without_secrets() -> None:
    exception = request_document("/failing/")["exception"]
    assert exception is not None
    assert (exception["type"], exception["message"]) == ("RuntimeError", "refused by postgres://[redacted]@db/library")
    assert "in failing" in exception["stack"]
    assert SECRET not in exception["stack"]


def test_successful_request_has_no_exception() -> None:
    assert request_document("/order/")["exception"] is None


def test_secrets_of_the_url_and_the_headers_are_redacted() -> None:
    headers = {"authorization": f"Token {SECRET}", "cookie": f"sessionid={SECRET}"}
    document = request_document(f"/order/?page=2&token={SECRET}", **headers)
    assert document["request"]["url"] == "/order/?page=2&token=[redacted]"
    assert document["request"]["headers"]["Authorization"] == "[redacted]"
    assert SECRET not in json.dumps(document)


def test_compressed_request_is_shown_as_text() -> None:
    sent = gzip.compress(b'{"page": 2}')
    headers = {"content-encoding": "gzip"}
    Client().post("/receiving/", sent, content_type="application/json", headers=headers)
    (row,) = current_store().rows()
    assert document_of(row)["request"]["body"] == {"text": '{"page": 2}', "bytes": len(sent), "is_cut": False}


def test_surrogates_and_large_numbers_are_stored() -> None:
    document = request_document("/surrogates/")
    assert json.loads(document["response"]["body"]["text"]) == {"token": "[redacted]", "name": "\ud83d"}
    (line,) = steps_of(document, "log")
    assert line["facts"] == {"number": 2**70, "half": "\ud83d"}


@pytest.mark.parametrize("value", ["\ud83d", 2**70, "福瓦", [1.5, None, True], {"1": {"…": "x"}}])
def test_document_with_any_value_is_json(value: object) -> None:
    assert json.loads(to_json({"value": value})) == {"value": value}


def test_steps_over_the_limit_are_counted() -> None:
    document = request_document("/many/")
    # The end of the transaction is always kept.
    assert len(document["steps"]) == MAX_ENTRIES + 1
    assert document["steps"][-1]["kind"] in ("commit", "release savepoint")
    assert document["dropped_steps"]["http_client"] >= 5
    assert document["outgoing_count"] == MAX_ENTRIES + 5


def test_request_without_the_toolbar_says_so() -> None:
    assert request_document("/order/")["with_toolbar"] is False
