"""Causes that are remembered while one unit of work runs are those that would be found anew."""

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


def causes(work: Observation) -> list[QueryOrigin]:
    assert work.timeline is not None
    return [entry.origin for entry in work.timeline.entries if isinstance(entry.origin, QueryOrigin)]


def count() -> int:
    return Publisher.objects.count()


class Counts(serializers.Serializer[Any]):
    """Two fields that ask for the same by one line."""

    first = serializers.SerializerMethodField()
    second = serializers.SerializerMethodField()

    def get_first(self, _: object) -> int:
        return count()

    def get_second(self, _: object) -> int:
        return count()


def test_same_statement_of_two_fields_has_two_causes(profiled_observation: Observation) -> None:
    Counts([1, 2, 3], many=True).data  # noqa: B018 - it is made when it is read
    assert [str(each.field).rpartition(".")[2] for each in causes(profiled_observation)] == ["first", "second"] * 3


class Wrapped(serializers.Field[Any, Any, Any, Any]):
    """A field of the project's own, whose class two fields share."""

    def to_representation(self, value: object) -> int:
        return count()


class Both(serializers.Serializer[Any]):
    first = Wrapped(source="*")
    second = Wrapped(source="*")


def test_same_statement_of_two_fields_of_one_class_has_two_causes(profiled_observation: Observation) -> None:
    Both([1, 2], many=True).data  # noqa: B018 - as above
    assert [str(each.field).rpartition(".")[2] for each in causes(profiled_observation)] == ["first", "second"] * 2


def test_same_statement_of_another_line_has_another_cause(profiled_observation: Observation) -> None:
    for _ in range(2):
        Publisher.objects.count()
        Publisher.objects.count()
    lines = [each.source_lines[0].line for each in causes(profiled_observation)]
    assert lines[0] == lines[2]
    assert lines[1] == lines[3] == lines[0] + 1


def test_same_statement_from_deeper_has_the_same_innermost_line_and_another_caller(
    profiled_observation: Observation,
) -> None:
    def deeper() -> int:
        return count()

    count()
    deeper()
    count()
    callers = [each.source_lines[1].function.rpartition(".")[2] for each in causes(profiled_observation)]
    assert callers[0] == callers[2] != callers[1] == "deeper"


def test_same_relation_of_each_row_has_one_cause_that_is_looked_for_once(
    profiled_observation: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_books(5)
    assert profiled_observation.timeline is not None
    profiled_observation.timeline.entries.clear()
    looked = counted(monkeypatch)
    models = [book.author for book in Book.objects.order_by("isbn")]
    assert len(models) == 5
    followed = [each for each in causes(profiled_observation) if each.relation]
    assert len(followed) == 5
    assert len(set(map(id, followed))) == 1
    assert len(looked) == 2


def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The times that a cause is looked for, from now on."""
    looked: list[object] = []

    class Found(origin_module._OriginSearch):
        def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - those of the class
            looked.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr(origin_module, "_OriginSearch", Found)
    return looked


def test_statements_that_are_remembered_are_limited_and_forgotten_with_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(origin_module, "MAX_CACHED_ORIGINS", 1)
    with observe("work") as work:
        details = work.timeline = Timeline()
        for _ in range(2):
            Publisher.objects.count()
            Book.objects.count()
        assert len(details.origin_cache) == 1
    assert details.origin_cache == {}
    assert len({each.source_lines[0].line for each in causes(work)}) == 2
