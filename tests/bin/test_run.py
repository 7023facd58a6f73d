"""bin/run, with a manage.py that prints its arguments, and twice with the real service."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.bin.checkout import DEADLINE_S, Checkout
from tests.load import SMALL_FILES, logged_ids, send
from tests.server import ROOT, free_port, is_listening, wait_for

SETTINGS = "settings.development"


def expected_output(address: str, *, origin: str = "") -> str:
    """Return the output of bin/run: two calls of manage.py, with the banner between them."""
    origin = origin or f"http://{address}"
    banner = f"""
  Serving for development:

  API       {origin}/api/v1/
  Requests  {origin}/__debug__/requests/
  Admin     {origin}/admin/   login admin, password admin
  Logs      var/log/service.jsonl

"""
    return f"['prepare'] {SETTINGS}\n{banner}['runserver', '{address}'] {SETTINGS}\n"


def test_banner_has_a_url_that_a_browser_can_open(ready_checkout: Checkout) -> None:
    port = free_port()
    expected = expected_output(f"0.0.0.0:{port}", origin=f"http://localhost:{port}")
    assert ready_checkout.run("bin/run", HOST="0.0.0.0", PORT=str(port)) == (0, expected)


def test_bin_run_prepares_the_database_and_starts_runserver(ready_checkout: Checkout) -> None:
    port = free_port()
    written = ready_checkout.run("bin/run", PORT=str(port), DJANGO_SETTINGS_MODULE="another.project")
    assert written == (0, expected_output(f"127.0.0.1:{port}"))


def test_bin_run_works_through_a_link_from_another_directory(ready_checkout: Checkout, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "link").symlink_to(ready_checkout.path / "bin" / "run")
    variables = ready_checkout.variables(PORT=str(port))
    written = subprocess.check_output(["sh", "link"], cwd=tmp_path, env=variables, text=True)
    assert written == expected_output(f"127.0.0.1:{port}")


def test_bin_run_works_with_cdpath_and_without_a_working_readlink(ready_checkout: Checkout, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "elsewhere" / "bin").mkdir(parents=True)
    ready_checkout.add_program("no-readlink", "#!/bin/sh\nexit 1\n").replace(ready_checkout.programs / "readlink")
    written = ready_checkout.run("sh", "bin/run", PORT=str(port), CDPATH=str(tmp_path / "elsewhere"))
    assert written == (0, expected_output(f"127.0.0.1:{port}"))


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6() and "CI" not in os.environ, reason="this machine has no IPv6")
def test_ipv6_address_has_brackets(ready_checkout: Checkout) -> None:
    port = free_port()
    assert ready_checkout.run("bin/run", HOST="::1", PORT=str(port)) == (0, expected_output(f"[::1]:{port}"))


@pytest.mark.parametrize("port", ["0", "65536", "80a", "-1", "٨"])
def test_invalid_port_is_refused(checkout: Checkout, port: str) -> None:
    code, written = checkout.run("bin/run", PORT=port)
    assert code == 1
    assert written.startswith(f"PORT is {port!r}. Allowed: a whole number from 1 to 65535.")


def test_address_of_another_machine_is_refused(checkout: Checkout) -> None:
    code, written = checkout.run("bin/run", HOST="192.0.2.1", PORT=str(free_port()))
    assert code == 1
    assert written.startswith("HOST is '192.0.2.1', which is not an address of this machine")


def test_error_about_a_busy_port_names_a_free_one_before_any_set_up(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, written = checkout.run("bin/run", PORT=str(port))
    assert code == 1
    assert written.startswith(f"Port {port} of 127.0.0.1 is already in use.")
    with socket.create_server(("127.0.0.1", int(written.partition("PORT=")[2].split()[0]))):
        assert not checkout.environment.exists()


def test_unknown_option_is_refused(checkout: Checkout) -> None:
    code, written = checkout.run("bin/run", "--port=8001")
    assert code == 2
    assert "usage: bin/run [--production | --help]" in written


def test_help_has_an_example_with_another_port(checkout: Checkout) -> None:
    code, written = checkout.run("bin/run", "--help")
    assert code == 0
    assert "PORT=8001 bin/run" in written


def test_server_does_not_start_if_prepare_fails(ready_checkout: Checkout) -> None:
    (ready_checkout.path / "manage.py").write_text("import sys; sys.exit(f'{sys.argv[1]} failed')")
    assert ready_checkout.run("bin/run", PORT=str(free_port())) == (1, "prepare failed\n")


# A fake gunicorn that prints its arguments and variables.
GUNICORN = """
import os, sys
names = "DJANGO_SETTINGS_MODULE ALLOWED_HOSTS INSECURE_HTTP VAR_DIR"
print(*sys.argv[1:], *(os.environ[name] for name in [*names.split(), "SECRET_KEY"]), sep="\\n")
"""


@pytest.fixture
def production_checkout(ready_checkout: Checkout) -> Checkout:
    """Return a checkout with the fake gunicorn, and with the other programs that `bin/run --production` needs."""
    (ready_checkout.path / "gunicorn.py").write_text(GUNICORN)
    for name in ("cat", "mv"):
        (ready_checkout.programs / name).symlink_to(shutil.which(name) or name)
    return ready_checkout


def test_production_option_writes_only_to_var_production(production_checkout: Checkout) -> None:
    code, written = production_checkout.run("bin/run", "--production", PORT=str(free_port()))
    prepared, *started, key = written.splitlines()
    var_dir = production_checkout.path / "var" / "production"
    assert (code, prepared) == (0, "['prepare'] settings.production")
    assert started == [
        "--config", "settings/gunicorn.py", "settings.production", "localhost,127.0.0.1,[::1]", "true",
        f"{var_dir}",
    ]  # fmt: skip
    assert len(key) >= 50
    assert (var_dir / "secret-key").read_text().strip() == key
    assert (var_dir / "secret-key").stat().st_mode & 0o777 == 0o600
    assert production_checkout.run("bin/run", "--production", PORT=str(free_port())) == (0, written)


def test_production_option_keeps_variables_that_are_set(production_checkout: Checkout) -> None:
    given = {
        "ALLOWED_HOSTS": "example.com", "INSECURE_HTTP": "false", "VAR_DIR": "/srv", "SECRET_KEY": "a key",
    }  # fmt: skip
    code, written = production_checkout.run("bin/run", "--production", PORT=str(free_port()), **given)
    assert (code, written.splitlines()[4:]) == (0, list(given.values()))
    assert not (production_checkout.path / "var" / "production" / "secret-key").exists()


@pytest.fixture
def service(checkout: Checkout) -> Checkout:
    """Return a copy of the whole repository, whose environment has the packages of the one that runs the tests."""
    ignored = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, checkout.path, ignore=ignored, dirs_exist_ok=True)
    checkout.add_uv()
    assert checkout.set_up()[0] == 0
    packages = sysconfig.get_path("purelib", vars={"base": str(checkout.environment)})
    (Path(packages) / "packages-of-the-tests.pth").write_text(sysconfig.get_path("purelib"))
    return checkout


def status_of(port: int, path: str) -> int:
    """Wait until the service listens, at most a minute, and return the status of one request."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_listening(port):
        assert time.monotonic() < deadline, f"nothing listened on port {port} within {DEADLINE_S} s"
        time.sleep(0.1)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.server
@pytest.mark.slow
def test_real_service_prints_its_addresses_responds_and_stops_on_ctrl_c(service: Checkout) -> None:
    port = free_port()
    with service.start("bin/run", PORT=str(port)) as process:
        try:
            assert status_of(port, "/api/v1/") == 200
            os.killpg(process.pid, signal.SIGINT)
            written, _ = process.communicate(timeout=DEADLINE_S)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    end = "\n".join(written.splitlines()[-20:])
    assert f"http://127.0.0.1:{port}/api/v1/" in end
    assert "admin" in end
    assert "Traceback" not in written


@pytest.mark.server
@pytest.mark.slow
def test_real_service_with_production_settings_logs_each_request_once(service: Checkout, tmp_path: Path) -> None:
    port, log_dir, overrides = free_port(), tmp_path / "log", tmp_path / "overrides.yaml"
    overrides.write_text(SMALL_FILES)
    for name in ("cat", "mv"):
        (service.programs / name).symlink_to(shutil.which(name) or name)
    variables = {
        "PORT": str(port),
        "LOG_DIR": str(log_dir),
        "LOGGING_OVERRIDES": str(overrides),
        "WEB_CONCURRENCY": "4",
    }
    with service.start("bin/run", "--production", **variables) as process:
        try:
            assert status_of(port, "/livez") == 200
            sent = send(port, "/api/v1/")
            wait_for(lambda: len(logged_ids(log_dir)) >= len(sent), "an access line of each request")
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=DEADLINE_S)
    assert logged_ids(log_dir) == sent
