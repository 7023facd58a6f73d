"""The production settings with only the packages of `requirements-production.txt`."""

import re
import subprocess
import sys
import urllib.request
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.server import ROOT, free_port, is_listening, production_environment, wait_for

pytestmark = [pytest.mark.server, pytest.mark.slow]

# Only `bin/test --all` installs them.
DRIVERS = {"psycopg", "psycopg-binary", "psycopg-pool", "pymysql"}
# -S: do not use the packages of the environment that runs the tests.
PYTHON = [sys.executable, "-S"]
DEVELOPMENT_ONLY = ["debug_toolbar", "silk", "pyinstrument", "pytest"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return variables with which Python finds only the packages of requirements-production.txt."""
    packages = tmp_path / "packages"
    packages.mkdir()
    requirements = (ROOT / "requirements-production.txt").read_text()
    for name, marker in re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==\S+(?: ; ([^\\\n]+))?", requirements, re.MULTILINE):
        if "platform" not in marker and name not in DRIVERS:
            for file in distribution(name).files or ():
                entry = packages / file.parts[0]
                if file.parts[0] != ".." and not entry.exists():
                    entry.symlink_to(Path(str(distribution(name).locate_file(file.parts[0]))))
    return production_environment(tmp_path, PYTHONPATH=str(packages), RELEASE="r1", WEB_CONCURRENCY="1")


def test_production_needs_no_development_package(environment: dict[str, str]) -> None:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*PYTHON, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)

    for name in DEVELOPMENT_ONLY:
        assert f"No module named '{name}'" in run("-c", f"import {name}").stderr
    for command in (["check"], ["migrate", "--verbosity=0"], ["collectstatic", "--noinput"]):
        assert run("manage.py", *command).returncode == 0
    port = free_port()
    command = [*PYTHON, "-m", "gunicorn", "--config", "settings/gunicorn.py"]
    with subprocess.Popen(command, cwd=ROOT, env=environment | {"PORT": str(port)}) as server:
        try:
            wait_for(lambda: is_listening(port) or server.poll() is not None, f"gunicorn on port {port}")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=20) as answer:
                assert answer.status == 200
        finally:
            server.terminate()
