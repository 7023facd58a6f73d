"""The configuration of gunicorn: `gunicorn --config settings/gunicorn.py` serves the production settings.

gunicorn's messages go to the log files of `logging.yaml`. Its own access log is off: the service writes one. On SIGTERM
gunicorn finishes the requests in progress and accepts no new ones. The master process reads only the settings that it
needs; each worker reads all of Django's settings after the fork.
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

    HOST = environment.text("HOST", default="127.0.0.1", allowed="an IP address or host name of this machine")
    PORT = environment.number(
        "PORT", int, default=8000, allowed="a whole number from 1 to 65535", is_allowed=lambda port: 0 < port < 1 << 16
    )
    WEB_CONCURRENCY = environment.number(
        "WEB_CONCURRENCY",
        int,
        default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        allowed="the number of worker processes: a whole number, 1 or more",
        is_allowed=lambda count: count > 0,
    )
    logconfig_dict = logging_layers("production")
except ImproperlyConfigured as error:
    sys.exit(f"gunicorn: {error}")

# Errors of the master also go to stderr. The workers read Django's settings and write only to the log files.
logconfig_dict.setdefault("handlers", {})["stderr"] = {"class": "logging.StreamHandler", "level": "ERROR"}
gunicorn_error = logconfig_dict.setdefault("loggers", {}).setdefault("gunicorn.error", {})
gunicorn_error["handlers"] = [*gunicorn_error.get("handlers", []), "stderr"]

wsgi_app = "settings.wsgi:application"
bind = [f"[{HOST}]:{PORT}" if ":" in HOST else f"{HOST}:{PORT}"]

# Requests wait for the database most of the time: one process per processor, and threads that wait.
workers = WEB_CONCURRENCY
worker_class = "gthread"
threads = 8

# Seconds. A worker that does not respond is replaced after `timeout`. A worker that stops has `graceful_timeout` to
# finish its requests.
timeout = 60
graceful_timeout = 30

accesslog = None
control_socket_disable = True


STARTED = """
  {name} with the production settings: {workers} processes with {threads} threads each, plain HTTP, this machine only

  API     http://{address}/api/v1/
  Admin   http://{address}/admin/   login admin, password in {directory}/password
  Logs    {logs}

  Ctrl-C stops it.
"""


def when_ready(server: "Arbiter") -> None:
    """Print the addresses if INSECURE_HTTP is on."""
    if INSECURE_HTTP:
        text = STARTED.format(
            name=SERVICE_NAME.capitalize(),
            workers=server.cfg.workers,
            threads=server.cfg.threads,
            address=bind[0],
            directory=_short(VAR_DIR),
            logs=_short(Path(logconfig_dict["handlers"].get("service", {}).get("filename", "stdout"))),
        )
        print(text, file=sys.stderr, flush=True)


def _short(path: Path) -> Path:
    """Return the path relative to the working directory if it is inside it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def on_starting(server: "Arbiter") -> None:
    """Exit with an error if INSECURE_HTTP is on and other machines could connect, also because of `--bind`.

    The master has configured logging by now, so Python warnings go to the log files from here on.
    """
    logging.captureWarnings(capture=True)
    for address in server.cfg.address:
        # A Unix socket or an inherited socket has no host.
        if INSECURE_HTTP and isinstance(address, tuple) and not is_loopback(address[0]):
            print(
                f"gunicorn: INSECURE_HTTP is 'true', so gunicorn must not listen on {address[0]}. Set HOST to "
                "127.0.0.1, ::1 or localhost, or unset INSECURE_HTTP and put an HTTPS proxy in front of the service.",
                file=sys.stderr,
            )
            sys.exit(1)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to the host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
