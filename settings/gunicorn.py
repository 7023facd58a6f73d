"""gunicorn's configuration: `gunicorn --config settings/gunicorn.py` serves the production settings.

Its own messages are lines of `logging.yaml` like all others, and the access line is ours. On SIGTERM it answers the
requests that it has and takes no new ones. Django's settings are read by the workers, after the fork, but for those
that the master needs.
"""

import logging
import os
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.production")

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter

try:
    from settings import environment
    from settings.base import INSECURE_HTTP, SERVICE_NAME, VAR_DIR, logging_layers

    HOST = environment.text("HOST", default="127.0.0.1", allowed="an address of this machine")
    PORT = environment.number(
        "PORT", int, default=8000, allowed="a number from 1 to 65535", is_allowed=lambda port: 0 < port < 1 << 16
    )
    WEB_CONCURRENCY = environment.number(
        "WEB_CONCURRENCY",
        int,
        default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        allowed="the number of processes, from 1",
        is_allowed=lambda count: count > 0,
    )
    logconfig_dict = logging_layers("production")
except ImproperlyConfigured as error:
    sys.exit(f"gunicorn: {error}")

# Errors at the start also go to stderr. The workers, which read Django's settings, write to the files only.
logconfig_dict.setdefault("handlers", {})["stderr"] = {"class": "logging.StreamHandler", "level": "ERROR"}
gunicorn_error = logconfig_dict.setdefault("loggers", {}).setdefault("gunicorn.error", {})
gunicorn_error["handlers"] = [*gunicorn_error.get("handlers", []), "stderr"]

wsgi_app = "settings.wsgi:application"
bind = [f"[{HOST}]:{PORT}" if ":" in HOST else f"{HOST}:{PORT}"]

# The work waits for the database most of the time: a process for each processor, and threads that wait.
workers = WEB_CONCURRENCY
worker_class = "gthread"
threads = 8

# A worker that does not answer is replaced after a minute; one that ends has half of it for the requests that it has.
timeout = 60
graceful_timeout = 30

accesslog = None
control_socket_disable = True


TRIAL = """
  {name} · production · {workers} processes with {threads} threads each, by plain HTTP for this machine only

  API     http://{address}/api/v1/
  Admin   http://{address}/admin/   login admin, password in {directory}/password
  Logs    {logs}

  Ctrl-C stops it.
"""


def when_ready(server: "Arbiter") -> None:
    """Print the addresses if INSECURE_HTTP is on."""
    if INSECURE_HTTP:
        text = TRIAL.format(
            name=SERVICE_NAME.capitalize(),
            workers=server.cfg.workers,
            threads=server.cfg.threads,
            address=bind[0],
            directory=_short(VAR_DIR),
            logs=_short(Path(logconfig_dict["handlers"].get("service", {}).get("filename", "stdout"))),
        )
        print(text, file=sys.stderr, flush=True)


def _short(path: Path) -> Path:
    """Return the path relative to the working directory if it is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def on_starting(server: "Arbiter") -> None:
    """Refuse plain HTTP if other machines could connect, whatever `--bind` says.

    The master, which loads no app, has configured logging by now: its warnings are lines like all others from here on.
    """
    logging.captureWarnings(capture=True)
    for address in server.cfg.address:
        # A Unix socket or an inherited one has no host.
        if INSECURE_HTTP and isinstance(address, tuple) and not is_loopback(address[0]):
            print(
                f"gunicorn: INSECURE_HTTP is 'true' and it would listen on {address[0]}: only with HOST 127.0.0.1, ::1 "
                "or localhost; elsewhere put a proxy with HTTPS before it, and unset INSECURE_HTTP.",
                file=sys.stderr,
            )
            sys.exit(1)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to the host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
