"""Fixtures: checkouts in which tests run the commands."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.bin.checkout import Checkout, make_checkout


@pytest.fixture(scope="session", autouse=True)
def enable_sigint() -> None:
    """Handle SIGINT: if a shell runs the tests in the background, they and their processes would ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a fresh checkout without a virtual environment."""
    return make_checkout(tmp_path)


@pytest.fixture
def checkout_with_uv(checkout: Checkout) -> Checkout:
    """Return a fresh checkout with a fake uv on the PATH, which creates environments quickly."""
    checkout.add_uv()
    return checkout


@pytest.fixture(scope="session")
def uv_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a minimal environment once, with the fake uv."""
    checkout = make_checkout(tmp_path_factory.mktemp("uv"))
    checkout.add_uv()
    code, written = checkout.set_up()
    assert code == 0, written
    return checkout.environment


@pytest.fixture(scope="session")
def pip_environment(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Create an environment with pip once, because it takes seconds. Return it with the output of the command."""
    checkout = make_checkout(tmp_path_factory.mktemp("pip"))
    code, written = checkout.set_up()
    assert code == 0, written
    return checkout.environment, written


@pytest.fixture
def ready_checkout(checkout: Checkout, uv_environment: Path) -> Checkout:
    """Return a checkout whose environment is set up for requirements.txt."""
    shutil.copytree(uv_environment, checkout.environment, symlinks=True)
    return checkout


@pytest.fixture
def ready_checkout_with_pip(checkout: Checkout, pip_environment: tuple[Path, str]) -> Checkout:
    """Return a checkout whose environment is set up for requirements.txt and has pip."""
    shutil.copytree(pip_environment[0], checkout.environment, symlinks=True, copy_function=os.link)
    return checkout
