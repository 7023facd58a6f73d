"""The order in which readers run, and what happens if one fails."""

from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from observability.core import diagnostics
from observability.core.observation import Observation
from observability.core.readers import AbortWork, Headers, Readers
from observability.core.steps import Step


class FailingReader:
    def step(self, observation: Observation, step: Step) -> None:
        raise RuntimeError("broken")

    def response_started(self, observation: Observation, headers: Headers) -> None:
        raise RuntimeError("broken")

    def closed(self, observation: Observation) -> None:
        raise RuntimeError("broken")


class OrderReader:
    def __init__(self, name: str, called: list[str]) -> None:
        self.name, self.called = name, called

    def closed(self, observation: Observation) -> None:
        self.called.append(self.name)


def test_failing_reader_prints_one_line_per_second_and_other_readers_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "time", SimpleNamespace(monotonic=lambda: 5.0))
    called: list[str] = []
    readers = Readers()
    readers.install([FailingReader(), OrderReader("after", called)])
    for _ in range(3):
        readers.closed(Observation("span", "work"))
    assert called == ["after"] * 3
    assert capsys.readouterr().err == "observability: FailingReader.closed failed: RuntimeError('broken').\n"


def test_work_continues_if_a_reader_fails(capsys: pytest.CaptureFixture[str]) -> None:
    readers = Readers()
    readers.install([FailingReader()])
    readers.step(Observation("span", "work"), Step("log", "imported", "tests"))
    readers.response_started(Observation("span", "work"), {})
    assert "FailingReader.step failed" in capsys.readouterr().err


def test_exception_of_a_reader_is_raised_with_raise_errors() -> None:
    readers = Readers()
    readers.install([FailingReader()], raise_errors=True)
    with pytest.raises(RuntimeError, match="broken"):
        readers.closed(Observation("span", "work"))


def test_abort_work_is_always_raised() -> None:
    class AbortingReader:
        def step(self, observation: Observation, step: Step) -> None:
            raise AbortWork

    readers = Readers()
    readers.install([AbortingReader()])
    with pytest.raises(AbortWork):
        readers.step(Observation("span", "work"), Step("log", "imported", "tests"))


def test_readers_run_in_order_and_added_readers_last() -> None:
    called: list[str] = []
    readers = Readers()
    readers.install([OrderReader("first", called), OrderReader("second", called)])
    with readers.added(OrderReader("third", called)):
        readers.closed(Observation("span", "work"))
    readers.closed(Observation("span", "work"))
    assert called == ["first", "second", "third", "first", "second"]


def test_removing_one_added_reader_keeps_the_others() -> None:
    called: list[str] = []
    readers = Readers()
    with readers.added(OrderReader("outer", called)):
        with readers.added(OrderReader("inner", called)):
            pass
        readers.closed(Observation("span", "work"))
    assert called == ["outer"]


def test_reader_that_cannot_be_imported_is_an_error(settings: Settings) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"contains 'nowhere.Reader', which cannot be imported"):
        settings.OBSERVABILITY = {"READERS": ["nowhere.Reader"]}
