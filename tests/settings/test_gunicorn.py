"""What gunicorn's configuration decides by itself, without a server."""

from pathlib import Path

import pytest

from tests.server import production_environment
from tests.serving.warm_python import WarmPython

# What a server that starts is for the configuration.
SERVER = """
from types import SimpleNamespace
from settings import gunicorn
server = SimpleNamespace(cfg=SimpleNamespace(workers=3, threads=8, address=[("{host}", 8000)]))
"""


def printed(python: WarmPython, directory: Path, code: str, **variables: str) -> str:
    """What a line of code prints after the configuration was read."""
    completed = python.run(
        "-c", f"from settings import gunicorn; {code}", env=production_environment(directory, **variables)
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout + completed.stderr


@pytest.mark.parametrize(("host", "bound"), [("127.0.0.1", "127.0.0.1:8001"), ("::1", "[::1]:8001")])
def test_address_is_that_of_host_and_port(python: WarmPython, tmp_path: Path, host: str, bound: str) -> None:
    assert printed(python, tmp_path, "print(*gunicorn.bind)", HOST=host, PORT="8001") == f"{bound}\n"


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
def test_plain_http_is_for_this_machine_only(
    python: WarmPython, tmp_path: Path, host: str, *, is_refused: bool
) -> None:
    code = SERVER.replace("{host}", host) + "gunicorn.on_starting(server)"
    completed = python.run("-c", code, env=production_environment(tmp_path))
    assert (completed.returncode, "INSECURE_HTTP is 'true'" in completed.stderr) == (is_refused, is_refused)


def test_only_a_trial_says_where_things_are(python: WarmPython, tmp_path: Path) -> None:
    shown = []
    for insecure in ("true", "false"):
        environment = production_environment(tmp_path, INSECURE_HTTP=insecure)
        shown.append(python.run("-c", SERVER + "gunicorn.when_ready(server)", env=environment).stderr)
    assert [line.split()[:1] for line in shown[0].splitlines() if line] == [
        ["Vitrine"], ["API"], ["Admin"], ["Logs"], ["Ctrl-C"],
    ]  # fmt: skip
    assert shown[1] == ""
