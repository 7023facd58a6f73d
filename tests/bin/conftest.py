"""Checkouts to run the commands in."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.bin.checkout import Checkout, make_checkout


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """Let SIGINT end what the tests start: a shell that runs the tests in the background has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A fresh clone: it has no environment yet."""
    return make_checkout(tmp_path)


@pytest.fixture
def checkout_with_uv(checkout: Checkout) -> Checkout:
    """A fresh clone on a machine with a stand-in for uv, which makes environments quickly."""
    checkout.put_uv()
    return checkout


@pytest.fixture(scope="session")
def made_by_uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small environment, made once."""
    checkout = make_checkout(tmp_path_factory.mktemp("made"))
    checkout.put_uv()
    code, written = checkout.set_up()
    assert code == 0, written
    return checkout.environment


@pytest.fixture(scope="session")
def made_by_pip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An environment with pip and what was written while it was made; made once, since that takes seconds."""
    checkout = make_checkout(tmp_path_factory.mktemp("made"))
    code, written = checkout.set_up()
    assert code == 0, written
    return checkout.environment, written


@pytest.fixture
def ready_checkout(checkout: Checkout, made_by_uv: Path) -> Checkout:
    """A clone whose environment is set up for requirements.txt."""
    shutil.copytree(made_by_uv, checkout.environment, symlinks=True)
    return checkout


@pytest.fixture
def ready_checkout_with_pip(checkout: Checkout, made_by_pip: tuple[Path, str]) -> Checkout:
    """The same, with pip in it."""
    shutil.copytree(made_by_pip[0], checkout.environment, symlinks=True, copy_function=os.link)
    return checkout
