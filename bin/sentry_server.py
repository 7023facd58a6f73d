"""Run Bugsink, a server with Sentry's protocol, for development. `bin/sentry` runs this with the Python of Bugsink.

All data are in one directory, which only the owner can read. `access.json` is written last: if it is missing, the data
are incomplete and are created again. The running process holds a lock. If another process already holds it, this one
prints the address of the running server and exits.
"""

import argparse
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import django
import gunicorn.util
from address import free_port_after, require_free
from django.apps import apps
from django.core.management import call_command
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

DATA = Path(__file__).resolve().parent.parent / "var" / "bugsink" / "data"
HOST = "127.0.0.1"
FIRST_PORT = 8777
PROJECT = "vitrine"
START_S = 120

# Relative to the working directory, which is the directory of the data.
ACCESS, CONFIGURATION, LOCK, PORT = map(Path, ("access.json", "bugsink_conf.py", "lock", "port"))

RUNNING = """
  Bugsink receives and shows errors and events.

  Issues  http://{host}:{port}/issues/1/   login {access.login}, password {access.password}
  Report  SENTRY_DSN=http://{access.key}@{host}:{port}/1 bin/run

  {stop}
"""


@dataclass(frozen=True)
class Access:
    """The credentials: login and password, a token of the API, and the key of the project in the DSN.

    `bugsink` is the version of Bugsink that created the tables.
    """

    login: str
    password: str
    token: str
    key: str
    bugsink: str


def read_access() -> Access | None:
    """Return the credentials, or None if the database is not complete."""
    return Access(**json.loads(ACCESS.read_text())) if ACCESS.exists() else None


def write(path: Path, text: str) -> None:
    """Write a file atomically."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)


def print_now(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def choose_port() -> int:
    """Return the port of the last run, or the next free port if it is in use. Exit if there is no free port."""
    port = int(PORT.read_text()) if PORT.exists() else FIRST_PORT
    try:
        require_free(HOST, port)
    except OSError:
        free = free_port_after(HOST, port) or free_port_after(HOST, FIRST_PORT)
        if free is None:
            raise SystemExit(f"bin/sentry found no free port of {HOST} from {FIRST_PORT} on.") from None
        port = free
    write(PORT, str(port))
    return port


def configure() -> None:
    """Let Bugsink write its configuration if it does not exist: it contains the key that signs sessions."""
    if not CONFIGURATION.exists():
        unfinished = CONFIGURATION.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        command = ["-m", "bugsink.scripts.create_conf", "--template=local", "--output-file", str(unfinished)]
        subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
        unfinished.replace(CONFIGURATION)
    sys.path.insert(0, str(Path.cwd()))
    os.environ["DJANGO_SETTINGS_MODULE"] = "sentry_settings"


def prepare() -> Access:
    """Create the tables, a login, a project and a token if they are missing. Return the credentials."""
    access, current = read_access(), version("bugsink")
    if access and access.bugsink == current:
        return access
    sys.stderr.write("Creating the tables of Bugsink (once) …\n")
    if access is None:
        for incomplete in Path().glob("*.sqlite3*"):
            incomplete.unlink()
    django.setup()
    for database in ("default", "snappea"):
        call_command("migrate", database=database, verbosity=0, interactive=False)
    access = Access(**asdict(access) | {"bugsink": current}) if access else first_access(current)
    write(ACCESS, json.dumps(asdict(access), indent=1))
    return access


def first_access(current: str) -> Access:
    """Create a login, a project and a token in an empty database. Return the credentials."""
    model: Callable[[str], Any] = apps.get_model
    login, password = "admin", secrets.token_urlsafe(9)
    model("users.User").objects.create_superuser(username=login, email="admin@localhost", password=password)
    project = model("projects.Project").objects.create(name=PROJECT, slug=PROJECT)
    token = model("bsmain.AuthToken").create_full_access(description=PROJECT).token
    return Access(login, password, token, project.sentry_key.hex, current)


class Server(BaseApplication):
    """gunicorn with Bugsink. It calls `when_ready` when Bugsink is loaded and the port is open."""

    def __init__(self, port: int, when_ready: Callable[[Arbiter], None]) -> None:
        self.settings: dict[str, Any] = {
            "bind": f"{HOST}:{port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": 4,
            # Seconds. Clients keep their connections open, so a longer wait would not help.
            "graceful_timeout": 3,
            "preload_app": True,
            "loglevel": "warning",
            "control_socket_disable": True,
            "when_ready": when_ready,
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return gunicorn.util.import_app("bugsink.wsgi:application")


def serve(lock: IO[str], *, only_prepare: bool) -> None:
    """Prepare the data, then serve until a signal arrives."""
    ignores_sighup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    port = choose_port()
    configure()
    access = prepare()
    if only_prepare:
        return

    def when_ready(server: Arbiter) -> None:
        # gunicorn restarts on SIGHUP. If the terminal is closed, it would keep running in the background.
        signal.signal(
            signal.SIGHUP, signal.SIG_IGN if ignores_sighup else lambda *_: server.signal(signal.SIGTERM, None)
        )
        lock.write(str(os.getpid()))
        lock.flush()
        print_now(RUNNING.format(host=HOST, port=port, access=access, stop="Ctrl-C stops it."))

    Server(port, when_ready).run()


def acquire(lock: IO[str]) -> bool:
    """Try to lock the file. Return whether this process has the lock."""
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        return True
    return False


def is_alive(process_id: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process_id, 0)
        return True
    return False


def print_running_server(lock: Path) -> bool:
    """Print the address of the server that holds the lock. Return False if it is not ready yet."""
    process_id, access = lock.read_text(), read_access()
    if not (process_id and access and is_alive(int(process_id))):
        return False
    stop = f"It is already running. `kill {process_id}` stops it, or Ctrl-C in its terminal."
    print_now(RUNNING.format(host=HOST, port=PORT.read_text(), access=access, stop=stop))
    return True


def main() -> None:
    """Serve, or print the address of the running server. Exit with 1 if another process is not ready in time."""
    parser = argparse.ArgumentParser(description="Serve Bugsink for development.")
    parser.add_argument("--directory", type=Path, default=DATA, help="the directory of the data (default: %(default)s)")
    parser.add_argument("--only-prepare", action="store_true", help="create the data if they are missing, and exit")
    options = parser.parse_args()
    directory: Path = options.directory
    os.umask(0o077)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    os.chdir(directory)
    deadline = time.monotonic() + START_S
    with LOCK.open("a") as lock:
        while not acquire(lock):
            if print_running_server(LOCK):
                return
            if time.monotonic() > deadline:
                sys.exit(f"Another bin/sentry did not start within {START_S} s. Stop it, and run the command again.")
            time.sleep(0.1)
        serve(lock, only_prepare=options.only_prepare)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
