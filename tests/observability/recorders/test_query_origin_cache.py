"""The cache of query origins in one observation: a cached origin is the same as one from a new search."""

from typing import Any

import pytest
from rest_framework import serializers

from observability import observe
from observability.core.observation import Observation
from observability.core.timeline import Timeline
from observability.recorders import query_origin as origin_module
from observability.recorders.query_origin import QueryOrigin
from tests.probe.library import make_books
from tests.probe.models import Book, Publisher

pytestmark = pytest.mark.django_db


def query_origins(work: Observation) -> list[QueryOrigin]:
    assert work.timeline is not None
    return [entry.origin for entry in work.timeline.entries if isinstance(entry.origin, QueryOrigin)]


def count() -> int:
    return Publisher.objects.count()


class Counts(serializers.Serializer[Any]):
    """Two fields that run the same query on the same line."""

    first = serializers.SerializerMethodField()
    second = serializers.SerializerMethodField()

    def get_first(self, _: object) -> int:
        return count()

    def get_second(self, _: object) -> int:
        return count()


def test_same_query_of_two_fields_has_two_origins(profiled_observation: Observation) -> None:
    Counts([1, 2, 3], many=True).data  # noqa: B018 - reading the property runs the queries
    assert [str(each.field).rpartition(".")[2] for each in query_origins(profiled_observation)] == [
        "first",
        "second",
    ] * 3


class CountField(serializers.Field[Any, Any, Any, Any]):
    """A field class of the project that two fields use."""

    def to_representation(self, value: object) -> int:
        return count()


class SharedFieldClass(serializers.Serializer[Any]):
    first = CountField(source="*")
    second = CountField(source="*")


def test_same_query_of_two_fields_of_one_class_has_two_origins(profiled_observation: Observation) -> None:
    SharedFieldClass([1, 2], many=True).data  # noqa: B018 - as above
    assert [str(each.field).rpartition(".")[2] for each in query_origins(profiled_observation)] == [
        "first",
        "second",
    ] * 2


def test_same_query_on_another_line_has_another_origin(profiled_observation: Observation) -> None:
    for _ in range(2):
        Publisher.objects.count()
        Publisher.objects.count()
    lines = [each.source_lines[0].line for each in query_origins(profiled_observation)]
    assert lines[0] == lines[2]
    assert lines[1] == lines[3] == lines[0] + 1


def test_same_query_from_a_deeper_stack_has_another_caller(
    profiled_observation: Observation,
) -> None:
    def deeper() -> int:
        return count()

    count()
    deeper()
    count()
    callers = [each.source_lines[1].function.rpartition(".")[2] for each in query_origins(profiled_observation)]
    assert callers[0] == callers[2] != callers[1] == "deeper"


def test_origin_of_a_relation_is_searched_once_for_all_rows(
    profiled_observation: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_books(5)
    assert profiled_observation.timeline is not None
    profiled_observation.timeline.entries.clear()
    searches = record_searches(monkeypatch)
    models = [book.author for book in Book.objects.order_by("isbn")]
    assert len(models) == 5
    followed = [each for each in query_origins(profiled_observation) if each.relation]
    assert len(followed) == 5
    assert len(set(map(id, followed))) == 1
    assert len(searches) == 2


def record_searches(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that gets an item for each search of an origin from now on."""
    searches: list[object] = []

    class RecordedSearch(origin_module._OriginSearch):
        def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - the arguments of the base class
            searches.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr(origin_module, "_OriginSearch", RecordedSearch)
    return searches


def test_origin_cache_is_bounded_and_cleared_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(origin_module, "MAX_CACHED_ORIGINS", 1)
    with observe("work") as work:
        timeline = work.timeline = Timeline()
        for _ in range(2):
            Publisher.objects.count()
            Book.objects.count()
        assert len(timeline.origin_cache) == 1
    assert timeline.origin_cache == {}
    assert len({each.source_lines[0].line for each in query_origins(work)}) == 2
