"""bin/environment.sh: find a Python that runs and is new enough."""

import pytest

from tests.bin.checkout import PYTHON, Checkout
from tests.server import free_port

# A Python that reports an old version.
TOO_OLD = f"""\
#!/bin/sh
exec '{PYTHON}' -c "import sys
sys.version_info = (3, 9, 18)
$2"
"""
SHIM_WITHOUT_VERSION = "#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n"


def test_first_python_that_is_new_enough_is_used(ready_checkout: Checkout) -> None:
    ready_checkout.add_program("python3", SHIM_WITHOUT_VERSION)
    ready_checkout.add_program("python3.13", TOO_OLD)
    ready_checkout.add_python("python")
    assert ready_checkout.run("bin/run", PORT=str(free_port()))[0] == 0


def test_variable_python_selects_the_interpreter(ready_checkout: Checkout) -> None:
    ready_checkout.add_program("python3", TOO_OLD)
    assert ready_checkout.run("bin/run", PYTHON=PYTHON, PORT=str(free_port()))[0] == 0


def test_error_lists_the_versions_that_are_too_old(checkout: Checkout) -> None:
    checkout.add_program("python3", TOO_OLD)
    checkout.add_program("python", TOO_OLD.replace("3, 9, 18", "2, 7, 18"))
    code, written = checkout.run("bin/run")
    assert code == 1
    assert written.count("\n") == 1
    assert "needs Python 3.11 or newer (python3 is 3.9.18, python is 2.7.18). Install it" in written


@pytest.mark.parametrize("command", ["run", "test", "check", "bench", "sentry"])
def test_each_command_fails_with_a_message_without_python(checkout: Checkout, command: str) -> None:
    (checkout.programs / "python3").unlink()
    code, written = checkout.run(f"bin/{command}")
    assert code == 1
    assert written.startswith("This service needs Python 3.11 or newer (no Python was found). Install it")
