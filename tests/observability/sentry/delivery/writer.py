"""A server process that forks writer processes, which report failures with a spool. `spooling.Writers` controls it."""

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
    """Handle requests: fork a writer process, or wait for its end. In a writer process, report failures and return."""
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
    """Report failures in a mode, and wait for the end of the input. In mode `exit`, do not wait."""
    start(dsn, root)
    children = []
    if mode == "fork":
        # Fork while the worker thread runs and has events to send.
        report_failures(count)
        children = [fork_reporting_child(count), fork_reporting_child(count)]
    report_failures(count)
    for child in children:
        os.waitpid(child, 0)
    if mode == "lone-child":
        # The test kills the parent, which holds the lock of its directory. The child survives.
        fork_surviving_child(0)
    if mode == "reporting-child":
        fork_surviving_child(count)
    if mode == "numbered":
        for number in range(1_000_000):
            report_failures(1)
            write_stdout(f"{number}\n")
    write_stdout("reported\n")
    if mode != "exit":
        sys.stdin.read()


def start(dsn: str, root: Path) -> None:
    """Start the SDK as `observability.sentry` does."""
    transport = SpoolTransport(dsn, root, backoff=QUICK)
    sentry_sdk.init(dsn=dsn, default_integrations=False, integrations=[AtexitIntegration()], transport=transport)


def report_failures(count: int) -> None:
    """Report `count` failures."""
    for number in range(count):
        sentry_sdk.capture_message(f"failure {number} of {os.getpid()}")


def fork_reporting_child(count: int) -> int:
    """Report `count` failures in a child, which ends without exit handlers, as processes of `multiprocessing` do."""
    child = os.fork()
    if not child:
        report_failures(count)
        os._exit(0)
    return child


def fork_surviving_child(count: int) -> None:
    """Fork a child that survives its parent, and then reports `count` failures."""
    parent = os.getpid()
    if not os.fork():
        os.close(sys.stdout.fileno())
        while count and os.getppid() == parent:
            time.sleep(0.01)
        report_failures(count)
        sys.stdin.read()
        os._exit(0)


def write_stdout(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
