"""Django's development server, with a start that shows where things are."""

import errno
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.management.commands.runserver import Command as StaticFilesRunserver
from django.core.servers.basehttp import WSGIServer
from django.db import connection
from django.urls import NoReverseMatch, reverse
from django.utils import autoreload

from service.management.commands import prepare

ALL_INTERFACES = {"0", "0.0.0.0", "::"}  # noqa: S104 - shown as an address that a browser takes


class Server(WSGIServer):
    """Says which port is busy."""

    def server_bind(self) -> None:
        try:
            super().server_bind()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            # Without a number: Django would put a sentence of its own in the place of this one.
            port = self.server_address[1]
            raise OSError(
                f"Port {port} is in use: stop what listens there, or take another (`manage.py runserver {port + 1}`)."
            ) from None


class Command(StaticFilesRunserver):
    """Prints where the service is to be found when it is ready, and nothing before, unless something is wrong."""

    addr: str
    server_cls = Server

    def inner_run(self, *args: Any, **options: Any) -> None:
        """Check the project without saying so, then serve."""
        autoreload.raise_last_exception()
        if not options["skip_checks"]:
            self.check()
        super().inner_run(*args, **options | {"skip_checks": True})

    def on_bind(self, server_port: int) -> None:
        """Print the addresses; the socket accepts connections by now."""
        host = "localhost" if self.addr in ALL_INTERFACES else self.addr
        origin = f"{self.protocol}://{f'[{host}]' if ':' in host else host}:{server_port}"
        self.stdout.write(banner(origin))
        self.stdout.flush()


def banner(origin: str) -> str:
    """What runs, where its parts are, and how to stop it."""
    mode, login = "DEBUG is off", ""
    if settings.DEBUG:
        mode, login = "development", f"   login {prepare.LOGIN}, password {prepare.PASSWORD}"
    places = {
        "API": f"{origin}/api/v1/",
        "Calls": calls(origin),
        "Admin": f"{origin}/admin/{login}",
        "Logs": log_file(),
    }
    lines = [
        f"{settings.SERVICE_NAME.capitalize()} · {mode} · {database()}",
        "",
        *(f"{name:<8}{place}" for name, place in places.items() if place),
        "",
        "Ctrl-C stops it.",
    ]
    return "\n" + "".join(f"  {line}".rstrip() + "\n" for line in lines)


def calls(origin: str) -> str:
    """The page of the last calls; empty where this environment has none."""
    with suppress(NoReverseMatch):
        return f"{origin}{reverse('observability_profiler:requests')}"
    return ""


def database() -> str:
    """Which database it is, without a password."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"SQLite, {_short(name)}"
    return f"{connection.display_name}, {name} at {connection.settings_dict['HOST'] or 'localhost'}"


def log_file() -> str:
    """The file of all log lines; empty where this environment writes none."""
    handlers = (settings.LOGGING or {}).get("handlers", {})
    return _short(handlers.get("service", {}).get("filename", ""))


def _short(path: str) -> str:
    """The path as one would type it from here."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if path and Path(path).is_relative_to(here) else path
