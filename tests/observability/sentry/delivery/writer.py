"""A process that reports failures through a spool, in the way that it is told to, until its input ends."""

import json
import os
import sys
from pathlib import Path

import sentry_sdk
from sentry_sdk.integrations.atexit import AtexitIntegration

from observability.sentry.delivery.transport import SpoolTransport
from tests.observability.sentry.delivery.spooling import QUICK


def fail(count: int) -> None:
    """Make so many failures."""
    for number in range(count):
        sentry_sdk.capture_message(f"failure {number} of {os.getpid()}")


def start(dsn: str, root: Path) -> None:
    """Start the SDK as the room does."""
    transport = SpoolTransport(dsn, root, patience=QUICK, read_timeout_s=1)
    sentry_sdk.init(dsn=dsn, default_integrations=False, integrations=[AtexitIntegration()], transport=transport)


def fork(count: int) -> int:
    """Make so many failures in a child, which ends as one of `multiprocessing` does: without its exit handlers."""
    child = os.fork()
    if not child:
        fail(count)
        os._exit(0)
    return child


def main() -> None:
    told = json.loads(sys.argv[1])
    mode, count = told["mode"], told["count"]
    start(told["dsn"], Path(told["root"]))
    children = []
    if mode == "fork":
        # Its thread runs already, and has something to send.
        fail(count)
        children = [fork(count), fork(count)]
    fail(count)
    for child in children:
        os.waitpid(child, 0)
    if mode == "lone-child":
        # The parent has its lock, and is killed; the child lives on.
        fork_that_stays()
    if mode == "numbered":
        for number in range(1_000_000):
            fail(1)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
    sys.stdout.write("made\n")
    sys.stdout.flush()
    if mode != "exit":
        sys.stdin.read()


def fork_that_stays() -> None:
    if not os.fork():
        os.close(sys.stdout.fileno())
        sys.stdin.read()
        os._exit(0)


if __name__ == "__main__":
    main()
