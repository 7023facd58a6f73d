"""The configuration of gunicorn, without a server."""

from pathlib import Path

import pytest
from django.conf import settings

from tests.server import production_environment
from tests.serving.warm_python import WarmPython

# A stub of the server that gunicorn passes to the hooks.
SERVER = """
from types import SimpleNamespace
from settings import gunicorn
server = SimpleNamespace(cfg=SimpleNamespace(workers=3, threads=8, address=[("{host}", 8000)]))
"""


def output_of(python: WarmPython, directory: Path, code: str, **variables: str) -> str:
    """Return the output of a line of code that runs after the configuration was read."""
    completed = python.run(
        "-c", f"from settings import gunicorn; {code}", env=production_environment(directory, **variables)
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout + completed.stderr


@pytest.mark.parametrize(("host", "bound"), [("127.0.0.1", "127.0.0.1:8001"), ("::1", "[::1]:8001")])
def test_bind_is_the_address_of_host_and_port(python: WarmPython, tmp_path: Path, host: str, bound: str) -> None:
    assert output_of(python, tmp_path, "print(*gunicorn.bind)", HOST=host, PORT="8001") == f"{bound}\n"


@pytest.mark.parametrize(
    ("host", "is_refused"),
    [
        ("127.0.0.2", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        ("example.com", True),
    ],
)
def test_plain_http_is_refused_on_addresses_that_other_machines_can_reach(
    python: WarmPython, tmp_path: Path, host: str, *, is_refused: bool
) -> None:
    code = SERVER.replace("{host}", host) + "gunicorn.on_starting(server)"
    completed = python.run("-c", code, env=production_environment(tmp_path))
    assert (completed.returncode, "INSECURE_HTTP is 'true'" in completed.stderr) == (is_refused, is_refused)


def test_addresses_are_printed_only_with_insecure_http(python: WarmPython, tmp_path: Path) -> None:
    shown = []
    for insecure in ("true", "false"):
        environment = production_environment(tmp_path, INSECURE_HTTP=insecure)
        shown.append(python.run("-c", SERVER + "gunicorn.when_ready(server)", env=environment).stderr)
    assert [line.split()[:1] for line in shown[0].splitlines() if line] == [
        [settings.SERVICE_NAME.capitalize()], ["API"], ["Admin"], ["Logs"], ["Ctrl-C"],
    ]  # fmt: skip
    assert shown[1] == ""
