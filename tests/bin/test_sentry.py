"""bin/sentry with a real Bugsink: it receives and shows an event, and stops with all its processes."""

import os
import re
import signal
import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
import sentry_sdk

from tests.bin.checkout import DEADLINE_S, Checkout, make_checkout
from tests.bugsink import PYTHON as BUGSINK_PYTHON
from tests.bugsink import empty_bugsink
from tests.server import free_port, is_listening, wait_for

pytestmark = [pytest.mark.server, pytest.mark.external("bugsink"), pytest.mark.slow]

RUNNING = re.compile(
    r"Issues  (?P<address>\S+)   login (?P<login>\S+), password (?P<password>\S+)\n"
    r"  Report  SENTRY_DSN=(?P<dsn>\S+) bin/run\n"
)


@dataclass
class Started:
    """A running bin/sentry and its output, which has address, login and DSN."""

    process: subprocess.Popen[str]
    written: str

    def __getitem__(self, name: str) -> str:
        found = RUNNING.search(self.written)
        assert found, self.written
        return found[name]

    @property
    def port(self) -> int:
        return urlsplit(self["address"]).port or 0


def install_bugsink(checkout: Checkout) -> Checkout:
    """Install Bugsink in a checkout: its environment uses the packages of the environment of the tests."""
    checkout.add_uv()
    arguments = ["--directory", "var/bugsink/venv", "bin/requirements-bugsink.txt"]
    code, written = checkout.run("python3", "bin/environment.py", *arguments)
    assert code == 0, written
    packages = sysconfig.get_path("purelib", vars={"base": str(environment_of(checkout))})
    installed = sysconfig.get_path("purelib", vars={"base": str(BUGSINK_PYTHON.parents[1])})
    (Path(packages) / "packages-of-the-tests.pth").write_text(installed)
    return checkout


@pytest.fixture
def clone(checkout: Checkout) -> Checkout:
    """Return a fresh checkout with Bugsink installed."""
    return install_bugsink(checkout)


@pytest.fixture(scope="module")
def started_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Checkout, Started]]:
    """Start bin/sentry in a fresh checkout once, for the tests that do not stop it."""
    checkout = install_bugsink(make_checkout(tmp_path_factory.mktemp("started")))
    with started(checkout) as running:
        yield checkout, running


@pytest.fixture
def clone_with_tables(clone: Checkout) -> Checkout:
    """Return a checkout in which bin/sentry has created its data; no port is chosen yet."""
    data = clone.path / "var" / "bugsink" / "data"
    data.mkdir()
    for file in empty_bugsink().iterdir():
        if file.is_file() and file.name != "port":
            (data / file.name).write_bytes(file.read_bytes())
    return clone


def environment_of(checkout: Checkout) -> Path:
    return checkout.path / "var" / "bugsink" / "venv"


def data_of(checkout: Checkout) -> Path:
    return checkout.path / "var" / "bugsink" / "data"


@contextmanager
def started(checkout: Checkout) -> Iterator[Started]:
    """Start bin/sentry and wait for its output; kill its processes at the end of the block."""
    with checkout.start("bin/sentry") as process:
        try:
            assert process.stdout
            written = ""
            while "stops it" not in written:
                line = process.stdout.readline()
                assert line, written
                written += line
            yield Started(process, written)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def page_after_login(running: Started) -> str:
    """Log in with the printed address and credentials, and return the next page."""
    opener = build_opener(HTTPCookieProcessor(CookieJar()))
    with opener.open(running["address"], timeout=DEADLINE_S) as form:
        address, html = form.url, form.read().decode()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html))
    fields = {"username": running["login"], "password": running["password"]} | hidden
    request = Request(address, urlencode(fields).encode(), {"Referer": address})
    with opener.open(request, timeout=DEADLINE_S) as page:
        assert page.url == running["address"]
        return str(page.read().decode())


def test_bugsink_in_a_fresh_checkout_shows_a_received_event(
    started_once: tuple[Checkout, Started],
) -> None:
    _, running = started_once
    client = sentry_sdk.Client(dsn=running["dsn"], default_integrations=False)
    client.capture_event({"message": "the pump failed"})
    client.close(timeout=DEADLINE_S)
    wait_for(lambda: "the pump failed" in page_after_login(running), "the event")


def test_second_bin_sentry_prints_the_address_of_the_first(started_once: tuple[Checkout, Started]) -> None:
    checkout, first = started_once
    code, written = checkout.run("bin/sentry")
    second = Started(first.process, written)
    assert (code, second["dsn"], second["password"]) == (0, first["dsn"], first["password"])
    assert f"`kill {first.process.pid}`" in written


def test_ctrl_c_stops_all_processes_without_a_traceback(clone_with_tables: Checkout) -> None:
    with started(clone_with_tables) as running:
        os.killpg(running.process.pid, signal.SIGINT)
        written, _ = running.process.communicate(timeout=DEADLINE_S)
        assert (running.process.returncode, "Traceback" in written) == (0, False)
        assert not is_listening(running.port)


def test_sighup_stops_it(clone_with_tables: Checkout) -> None:
    with started(clone_with_tables) as running:
        os.killpg(running.process.pid, signal.SIGHUP)
        running.process.communicate(timeout=DEADLINE_S)
        assert not is_listening(running.port)


def test_address_and_login_are_kept_between_runs(clone_with_tables: Checkout) -> None:
    found = []
    for _ in range(2):
        with started(clone_with_tables) as running:
            found.append((running["dsn"], running["password"]))
            # Leaving the block kills all processes at once, like a power failure.
    assert found[0] == found[1]


def test_another_port_is_used_if_the_port_is_busy(clone_with_tables: Checkout) -> None:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", busy_port := free_port()))
        owner.listen()
        (data_of(clone_with_tables) / "port").write_text(str(busy_port))
        with started(clone_with_tables) as running:
            assert running.port != busy_port
            assert is_listening(running.port)


def test_new_bin_sentry_starts_after_the_main_process_was_killed(clone_with_tables: Checkout) -> None:
    with started(clone_with_tables) as running:
        running.process.kill()
        running.process.wait()
        with started(clone_with_tables) as next_one:
            assert next_one["dsn"].partition("@")[0] == running["dsn"].partition("@")[0]
            assert next_one.process.pid != running.process.pid


def test_tables_are_created_again_if_their_creation_was_killed(clone: Checkout) -> None:
    database = data_of(clone) / "db.sqlite3"
    with clone.start("bin/sentry") as process:
        wait_for(lambda: database.exists() and database.stat().st_size, "the first tables")
        os.killpg(process.pid, signal.SIGKILL)
    assert not (data_of(clone) / "access.json").exists()
    with started(clone) as running:
        assert "Issues · vitrine" in page_after_login(running)


def test_stored_files_are_readable_only_by_their_owner() -> None:
    directory = empty_bugsink()
    stored = [directory / name for name in ("access.json", "bugsink_conf.py", "db.sqlite3", "lock")]
    assert {path.stat().st_mode & 0o077 for path in [directory, *stored]} == {0}
