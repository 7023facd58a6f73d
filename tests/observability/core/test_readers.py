"""Readers that fail, and the order in which readers run."""

from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from observability.core import diagnostics
from observability.core.observation import Observation
from observability.core.readers import AbortWork, Headers, Readers
from observability.core.steps import Step


class Failing:
    def step(self, observation: Observation, step: Step) -> None:
        raise RuntimeError("no room")

    def response_started(self, observation: Observation, headers: Headers) -> None:
        raise RuntimeError("no room")

    def closed(self, observation: Observation) -> None:
        raise RuntimeError("no room")


class Named:
    def __init__(self, name: str, heard: list[str]) -> None:
        self.name, self.heard = name, heard

    def closed(self, observation: Observation) -> None:
        self.heard.append(self.name)


def test_failing_reader_costs_one_line_a_second_and_the_others_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "time", SimpleNamespace(monotonic=lambda: 5.0))
    heard: list[str] = []
    readers = Readers()
    readers.install([Failing(), Named("after", heard)])
    for _ in range(3):
        readers.closed(Observation("span", "work"))
    assert heard == ["after"] * 3
    assert capsys.readouterr().err == "observability: Failing.closed failed: RuntimeError('no room').\n"


def test_work_goes_on_where_a_reader_fails_at_a_step_or_at_the_response(capsys: pytest.CaptureFixture[str]) -> None:
    readers = Readers()
    readers.install([Failing()])
    readers.step(Observation("span", "work"), Step("log", "imported", "tests"))
    readers.response_started(Observation("span", "work"), {})
    assert "Failing.step failed" in capsys.readouterr().err


def test_failing_reader_is_loud_where_that_is_asked_for() -> None:
    readers = Readers()
    readers.install([Failing()], raise_errors=True)
    with pytest.raises(RuntimeError, match="no room"):
        readers.closed(Observation("span", "work"))


def test_reader_that_ends_the_work_is_not_swallowed() -> None:
    class Refusing:
        def step(self, observation: Observation, step: Step) -> None:
            raise AbortWork

    readers = Readers()
    readers.install([Refusing()])
    with pytest.raises(AbortWork):
        readers.step(Observation("span", "work"), Step("log", "imported", "tests"))


def test_readers_run_in_the_order_in_which_they_are_listed() -> None:
    heard: list[str] = []
    readers = Readers()
    readers.install([Named("first", heard), Named("second", heard)])
    with readers.added(Named("third", heard)):
        readers.closed(Observation("span", "work"))
    readers.closed(Observation("span", "work"))
    assert heard == ["first", "second", "third", "first", "second"]


def test_reader_that_was_added_stays_if_another_one_goes() -> None:
    heard: list[str] = []
    readers = Readers()
    with readers.added(Named("outer", heard)):
        with readers.added(Named("inner", heard)):
            pass
        readers.closed(Observation("span", "work"))
    assert heard == ["outer"]


def test_reader_that_cannot_be_imported_is_named(settings: Settings) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"contains 'nowhere.Reader', which cannot be imported"):
        settings.OBSERVABILITY = {"READERS": ["nowhere.Reader"]}
