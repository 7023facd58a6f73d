"""Serves Bugsink, a server of Sentry's protocol, for development; `bin/sentry` runs it, with Bugsink's own Python.

Everything that it stores is in one directory, which nobody else may read. `access.json` is written last, so that
without it what lies there is half-made, and is made anew. A lock is held as long as a process of it lives: who comes
second says where the first one is.
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
from address import bind, free_port_after
from django.apps import apps
from django.core.management import call_command
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

DATA = Path(__file__).resolve().parent.parent / "var" / "bugsink" / "data"
HOST = "127.0.0.1"
FIRST_PORT = 8777
PROJECT = "vitrine"
START_S = 120

# They lie in the working directory, which is that of the data.
ACCESS, CONFIGURATION, LOCK, PORT = map(Path, ("access.json", "bugsink_conf.py", "lock", "port"))

RUNNING = """
  Bugsink shows what is reported to it.

  Issues  http://{host}:{port}/issues/1/   login {access.login}, password {access.password}
  Report  SENTRY_DSN=http://{access.key}@{host}:{port}/1 bin/run

  {stop}
"""


@dataclass(frozen=True)
class Access:
    """What somebody needs who reads or reports: a login, a token of the API, the key of the project.

    `bugsink` is the version whose tables the database has.
    """

    login: str
    password: str
    token: str
    key: str
    bugsink: str


def read_access() -> Access | None:
    """What was written when the database was ready; None before that."""
    return Access(**json.loads(ACCESS.read_text())) if ACCESS.exists() else None


def write(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def choose_port() -> int:
    """That of the last time; where it is busy, the next one that is free. Raises SystemExit where there is none."""
    port = int(PORT.read_text()) if PORT.exists() else FIRST_PORT
    try:
        bind(HOST, port)
    except OSError:
        free = free_port_after(HOST, port) or free_port_after(HOST, FIRST_PORT)
        if free is None:
            raise SystemExit(f"No port of {HOST} from {FIRST_PORT} on is free.") from None
        port = free
    write(PORT, str(port))
    return port


def configure() -> None:
    """Have Bugsink write its configuration, once: the key in it signs the sessions."""
    if not CONFIGURATION.exists():
        unfinished = CONFIGURATION.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        command = ["-m", "bugsink.scripts.create_conf", "--template=local", "--output-file", str(unfinished)]
        subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
        unfinished.replace(CONFIGURATION)
    sys.path.insert(0, str(Path.cwd()))
    os.environ["DJANGO_SETTINGS_MODULE"] = "sentry_settings"


def prepare() -> Access:
    """The database with its tables, a login, a project and a token, made where they are not there yet."""
    access, current = read_access(), version("bugsink")
    if access and access.bugsink == current:
        return access
    sys.stderr.write("Making the tables of Bugsink (once) …\n")
    if access is None:
        for half_made in Path().glob("*.sqlite3*"):
            half_made.unlink()
    django.setup()
    for database in ("default", "snappea"):
        call_command("migrate", database=database, verbosity=0, interactive=False)
    access = Access(**asdict(access) | {"bugsink": current}) if access else first_access(current)
    write(ACCESS, json.dumps(asdict(access), indent=1))
    return access


def first_access(current: str) -> Access:
    """The login, the project and the token of a database that has none."""
    model: Callable[[str], Any] = apps.get_model
    login, password = "admin", secrets.token_urlsafe(9)
    model("users.User").objects.create_superuser(username=login, email="admin@localhost", password=password)
    project = model("projects.Project").objects.create(name=PROJECT, slug=PROJECT)
    token = model("bsmain.AuthToken").create_full_access(description=PROJECT).token
    return Access(login, password, token, project.sentry_key.hex, current)


class Server(BaseApplication):
    """gunicorn with Bugsink; `when_ready` is called when it is loaded and listens."""

    def __init__(self, port: int, when_ready: Callable[[Arbiter], None]) -> None:
        self.settings: dict[str, Any] = {
            "bind": f"{HOST}:{port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": 4,
            # Those who report keep their connections open.
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
    """Prepare what is missing, and serve until a signal ends it."""
    survives_hangup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    port = choose_port()
    configure()
    access = prepare()
    if only_prepare:
        return

    def when_ready(server: Arbiter) -> None:
        # gunicorn would start anew when the terminal is closed, and go on where nobody sees it.
        signal.signal(
            signal.SIGHUP, signal.SIG_IGN if survives_hangup else lambda *_: server.signal(signal.SIGTERM, None)
        )
        lock.write(str(os.getpid()))
        lock.flush()
        say(RUNNING.format(host=HOST, port=port, access=access, stop="Ctrl-C stops it."))

    Server(port, when_ready).run()


def taken(lock: IO[str]) -> bool:
    """Whether this process has the lock now."""
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


def tell_running(lock: Path) -> bool:
    """Say where the one is that holds the lock; False where it is not ready."""
    process_id, access = lock.read_text(), read_access()
    if not (process_id and access and is_alive(int(process_id))):
        return False
    stop = f"It is running already: Ctrl-C where it was started, or `kill {process_id}`, stops it."
    say(RUNNING.format(host=HOST, port=PORT.read_text(), access=access, stop=stop))
    return True


def main() -> None:
    """Serve, or tell where another one of this directory serves; exits with 1 where neither is to be had."""
    parser = argparse.ArgumentParser(description="Serve Bugsink for development.")
    parser.add_argument("--directory", type=Path, default=DATA, help="where it stores everything")
    parser.add_argument("--only-prepare", action="store_true", help="make what is missing, and serve nothing")
    options = parser.parse_args()
    directory: Path = options.directory
    os.umask(0o077)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    os.chdir(directory)
    deadline = time.monotonic() + START_S
    with LOCK.open("a") as lock:
        while not taken(lock):
            if tell_running(LOCK):
                return
            if time.monotonic() > deadline:
                sys.exit(f"Another bin/sentry has been starting for {START_S} s: end it, and run the command again.")
            time.sleep(0.1)
        serve(lock, only_prepare=options.only_prepare)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
