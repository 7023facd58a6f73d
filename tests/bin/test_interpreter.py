"""How the commands find a Python: each candidate is run."""

import pytest

from tests.bin.checkout import PYTHON, Checkout
from tests.server import free_port

# A Python that takes itself for an older one.
TOO_OLD = f"""\
#!/bin/sh
exec '{PYTHON}' -c "import sys
sys.version_info = (3, 9, 18)
$2"
"""
SHIM_WITHOUT_VERSION = "#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n"


def test_the_first_that_is_new_enough_is_taken(ready_checkout: Checkout) -> None:
    ready_checkout.put("python3", SHIM_WITHOUT_VERSION)
    ready_checkout.put("python3.13", TOO_OLD)
    ready_checkout.put_python("python")
    assert ready_checkout.run("bin/run", PORT=str(free_port()))[0] == 0


def test_python_can_be_named(ready_checkout: Checkout) -> None:
    ready_checkout.put("python3", TOO_OLD)
    assert ready_checkout.run("bin/run", PYTHON=PYTHON, PORT=str(free_port()))[0] == 0


def test_where_each_is_too_old_one_sentence_says_what_was_found(checkout: Checkout) -> None:
    checkout.put("python3", TOO_OLD)
    checkout.put("python", TOO_OLD.replace("3, 9, 18", "2, 7, 18"))
    code, written = checkout.run("bin/run")
    assert code == 1
    assert written.count("\n") == 1
    assert "needs Python 3.11 or newer (python3 is 3.9.18, python is 2.7.18): install it" in written


@pytest.mark.parametrize("command", ["run", "test", "check", "bench", "sentry"])
def test_without_python_each_command_says_what_it_needs(checkout: Checkout, command: str) -> None:
    (checkout.programs / "python3").unlink()
    code, written = checkout.run(f"bin/{command}")
    assert code == 1
    assert written.startswith("This service needs Python 3.11 or newer (no Python was found): install it")
