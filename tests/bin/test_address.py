"""bin/address.py, which gives bin/run its address."""

import errno
import importlib.util
from types import ModuleType

import pytest

from tests.server import ROOT, free_port


@pytest.fixture(scope="module")
def address() -> ModuleType:
    """Import the program as a module; bin/ is not a package."""
    specification = importlib.util.spec_from_file_location("address", ROOT / "bin" / "address.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("written", [None, ""])
def test_port_is_8000_if_the_variable_is_not_set(
    address: ModuleType, written: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PORT", raising=False)
    if written is not None:
        monkeypatch.setenv("PORT", written)
    assert address.chosen_port() == 8000


def test_host_may_have_brackets(
    address: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    monkeypatch.setenv("HOST", "[127.0.0.1]")
    monkeypatch.setenv("PORT", str(port))
    assert (address.main(), capsys.readouterr().out) == (0, f"127.0.0.1:{port}\n")


def test_error_names_a_port_without_permission(address: ModuleType) -> None:
    error = address.address_error(PermissionError(errno.EACCES, "Permission denied"), "127.0.0.1", 80)
    assert "port 80 of 127.0.0.1" in str(error)
    assert str(error).endswith("PORT=8000 bin/run")
