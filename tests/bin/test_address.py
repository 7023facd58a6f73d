"""bin/address.py, which bin/run gets its address from."""

import errno
import importlib.util
from types import ModuleType

import pytest

from tests.server import ROOT, free_port


@pytest.fixture(scope="module")
def address() -> ModuleType:
    """The program as a module: bin/ is no package."""
    specification = importlib.util.spec_from_file_location("address", ROOT / "bin" / "address.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("written", [None, ""])
def test_port_is_8000_unless_another_is_named(
    address: ModuleType, written: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PORT", raising=False)
    if written is not None:
        monkeypatch.setenv("PORT", written)
    assert address.chosen_port() == 8000


def test_host_may_stand_in_brackets(
    address: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    monkeypatch.setenv("HOST", "[127.0.0.1]")
    monkeypatch.setenv("PORT", str(port))
    assert (address.main(), capsys.readouterr().out) == (0, f"127.0.0.1:{port}\n")


def test_port_that_needs_more_rights_is_named(address: ModuleType) -> None:
    error = address.refused(PermissionError(errno.EACCES, "Permission denied"), "127.0.0.1", 80)
    assert str(error) == "Port 80 of 127.0.0.1 needs more rights than you have: take another: PORT=8000 bin/run."
