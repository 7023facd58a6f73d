"""Fork processes that report failures through a spool, each in the mode that `spooling.Writers` requests."""

import json
import os
import socket
import sys
import time
from pathlib import Path

import sentry_sdk
from sentry_sdk.integrations.atexit import AtexitIntegration

from observability.sentry.delivery.transport import SpoolTransport
from tests.observability.sentry.delivery.spooling import MAX_REQUEST_BYTES, QUICK


def main() -> None:
    """Answer requests: fork a writer, or wait for the end of one. In a writer, return when it has to end."""
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        while True:
            message, descriptors, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, 2)
            if not message:
                return
            request = json.loads(message)
            if process_id := request.get("wait_for"):
                _, status = os.waitpid(process_id, 0)
                requests.send(str(os.waitstatus_to_exitcode(status)).encode())
                continue
            child = os.fork()
            if not child:
                break
            for each in descriptors:
                os.close(each)
            requests.send(str(child).encode())
    for number, each in enumerate(descriptors):
        os.dup2(each, number)
        os.close(each)
    report(request["dsn"], Path(request["root"]), request["mode"], request["count"])


def report(dsn: str, root: Path, mode: str, count: int) -> None:
    """Report failures in one of several modes, and live until the input ends; `exit` ends at once."""
    start(dsn, root)
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
        fork_that_stays(0)
    if mode == "reporting-child":
        fork_that_stays(count)
    if mode == "numbered":
        for number in range(1_000_000):
            fail(1)
            say(f"{number}\n")
    say("made\n")
    if mode != "exit":
        sys.stdin.read()


def start(dsn: str, root: Path) -> None:
    """Start the SDK as `observability.sentry` does."""
    transport = SpoolTransport(dsn, root, backoff=QUICK)
    sentry_sdk.init(dsn=dsn, default_integrations=False, integrations=[AtexitIntegration()], transport=transport)


def fail(count: int) -> None:
    """Report `count` failures."""
    for number in range(count):
        sentry_sdk.capture_message(f"failure {number} of {os.getpid()}")


def fork(count: int) -> int:
    """Report `count` failures in a child, which ends as one of `multiprocessing` does: without its exit handlers."""
    child = os.fork()
    if not child:
        fail(count)
        os._exit(0)
    return child


def fork_that_stays(count: int) -> None:
    """Fork a child that outlives its parent, and reports `count` failures after its end."""
    parent = os.getpid()
    if not os.fork():
        os.close(sys.stdout.fileno())
        while count and os.getppid() == parent:
            time.sleep(0.01)
        fail(count)
        sys.stdin.read()
        os._exit(0)


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
