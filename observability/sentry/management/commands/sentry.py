"""`manage.py sentry`: send a test event (`test`), show the waiting events (`status`), or send them now (`flush`)."""

import logging
import math
import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sentry_sdk
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from sentry_sdk.utils import Dsn

from observability.core.context import activate, observe
from observability.sentry.checks import HANDLER
from observability.sentry.delivery.backoff import DeliveryFailure, read_last_failure
from observability.sentry.delivery.sender import flush_spool
from observability.sentry.delivery.server import Answer, Outcome, Server
from observability.sentry.delivery.spool import QueuedEvent, Spool, find_other_spools, project_url, total_bytes
from observability.sentry.delivery.transport import SpoolTransport
from observability.sentry.reporting import ReportedEvent
from observability.text import format_count

NO_DSN = (
    "SENTRY_DSN is not set: events are not sent, but written to sentry.jsonl in LOG_DIR. "
    "To send them, set SENTRY_DSN to a DSN such as https://key@sentry.example.com/1."
)
NO_SPOOL = (
    "SENTRY_SPOOL_DIR is not set: each event is sent once, and is lost if Sentry is unreachable. "
    "To keep events, set SENTRY_SPOOL_DIR to a directory."
)
SELF_TEST_EVENT = "sentry_self_test"
FLUSH_TIMEOUT_S = 30.0
UNITS = (("day", 24 * 3600), ("hour", 3600), ("minute", 60), ("second", 1))

log = logging.getLogger("observability.sentry")


class Command(BaseCommand):
    """The subcommands `test`, `status` and `flush`; each is the method with its name."""

    help = "Send a test event to Sentry, show the events that wait in the spool, or send them now."
    # People run this command to find an error, so it must also work if a system check fails.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
        commands.add_parser(
            "test",
            help="self-test: send an event and print the server's response; "
            "exit code 1 if it did not arrive or SENTRY_DSN is not set",
        )
        commands.add_parser(
            "status",
            help="show the number of events that wait in the spool, since when, and why, or that Sentry is not "
            "configured; exit code 0, or 1 if the spool cannot be read",
        )
        flush = commands.add_parser(
            "flush",
            help="send the events of the spool now; "
            "exit code 1 if some remain, or if SENTRY_DSN or SENTRY_SPOOL_DIR is not set",
        )
        flush.add_argument(
            "--timeout",
            dest="timeout_s",
            type=_timeout,
            default=FLUSH_TIMEOUT_S,
            metavar="SECONDS",
            help=f"stop after this many seconds (default: {FLUSH_TIMEOUT_S:g})",
        )

    def handle(self, *, subcommand: str, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        # Stop the worker of this process, or it may send the waiting events while the command runs.
        transport = sentry_sdk.get_client().transport
        if isinstance(transport, SpoolTransport):
            transport.kill()
        subcommands: dict[str, Callable[..., None]] = {"test": self.test, "status": self.status, "flush": self.flush}
        subcommands[subcommand](**options)

    def test(self, **_: object) -> None:
        """Send an event, and print the address of the server and the title of the issue."""
        dsn = settings.SENTRY_DSN
        if not dsn:
            raise CommandError(NO_DSN)
        result = run_self_test(dsn)
        self._print_line("project", masked_project_url(dsn))
        if result.event_id is None or result.answer is None:
            raise CommandError(
                f"The test error was not reported: LOGGING has no handler {HANDLER} for it. "
                "Add this handler to the root logger."
            )
        self._print_line("event", result.event_id)
        self._print_line("answer", f"{result.answer.reason}, after {result.duration_ms:.0f} ms")
        if result.answer.outcome is not Outcome.ACCEPTED:
            raise CommandError(f"The event did not arrive: {result.answer.reason}. Check SENTRY_DSN and the server.")
        self._print_line("look at", f"{server_url(dsn)}, the issue {SELF_TEST_EVENT}")

    def status(self, **_: object) -> None:
        """Print the number of waiting events, since when they wait, and why."""
        if problem := find_missing_setting():
            self.stdout.write(problem)
            return
        spool = configured_spool()
        events = spool.events()
        self._print_line("project", masked_project_url(settings.SENTRY_DSN))
        self._print_line("spool", spool.path)
        self._print_line("waiting", describe_events(events) if events else "no events")
        if events:
            self._print_line("oldest", format_moment(min(event.written_at for event in events)))
            failure = read_last_failure(spool)
            self._print_line("error", describe_failure(failure) if failure else "none so far")
        for other in find_other_spools(spool):
            if events := other.events():
                text = f"{describe_events(events)} for {other.project}. To send them, run `sentry flush` with its DSN"
                self._print_line("also", text)

    def flush(self, *, timeout_s: float, **_: object) -> None:
        """Send the waiting events."""
        spool = configured_spool()
        project = masked_project_url(settings.SENTRY_DSN)
        if spool.is_empty():
            self.stdout.write(f"No events are waiting for {project}.")
            return
        result = flush_spool(spool, settings.SENTRY_DSN, timeout_s)
        if result.sent_count:
            self.stdout.write(f"{format_count(result.sent_count, 'event')} sent to {project}.")
        for reason, count in result.dropped.items():
            self.stdout.write(f"{format_count(count, 'event')} rejected by the server and dropped: {reason}.")
        if result.remaining_count:
            raise CommandError(f"{format_count(result.remaining_count, 'event')} still waiting: {result.reason}.")

    def _print_line(self, name: str, value: object) -> None:
        self.stdout.write(f"{name:8} {value}")


def _timeout(text: str) -> float:
    """Return the seconds of --timeout. Raises `ArgumentTypeError` for other text, for 0 and for negative numbers."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a timeout. Allowed: a number of seconds above 0")
    return seconds


@dataclass(frozen=True, slots=True)
class SelfTestResult:
    """The id of the event, the server's answer, and its duration. The id is None if no handler reported the error."""

    event_id: str | None
    answer: Answer | None
    duration_ms: float


def run_self_test(dsn: str) -> SelfTestResult:
    """Log an error as the service does, and send its event without the spool, so that the answer is known."""
    client = sentry_sdk.get_client()
    transport, direct = client.transport, _DirectTransport(Server(dsn))
    client.transport = direct
    try:
        with observe("sentry test") as observation:
            log.error(SELF_TEST_EVENT, extra={"facts": {"sent_by": "manage.py sentry test"}})
    finally:
        client.transport = transport
    return SelfTestResult(ReportedEvent.find_id(observation), direct.answer, direct.duration_ms)


class _DirectTransport(Transport):
    """A transport that sends each event at once, and waits for the answer."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server
        self.answer: Answer | None = None
        self.duration_ms = 0.0

    def capture_envelope(self, envelope: Envelope) -> None:
        started = time.perf_counter()
        # Do not count the request to Sentry as an outgoing request of the reported work.
        with activate(None):
            self.answer = self.server.post(envelope.serialize())
        self.duration_ms = (time.perf_counter() - started) * 1000


def find_missing_setting() -> str:
    """Return a message if SENTRY_DSN or SENTRY_SPOOL_DIR is not set, otherwise ""."""
    if not settings.SENTRY_DSN:
        return NO_DSN
    return "" if getattr(settings, "SENTRY_SPOOL_DIR", "") else NO_SPOOL


def configured_spool() -> Spool:
    """Return the spool of the settings. Raises `CommandError` if a setting is missing, or it cannot be read."""
    if problem := find_missing_setting():
        raise CommandError(problem)
    spool = Spool.for_dsn(Path(settings.SENTRY_SPOOL_DIR), settings.SENTRY_DSN)
    try:
        spool.check_readable()
    except OSError as error:
        hint = "Run this command as the user of the service"
        raise CommandError(f"The spool {spool.path} cannot be read: {error.strerror}. {hint}.") from None
    return spool


def masked_project_url(dsn: str) -> str:
    """Return the DSN with `…` instead of its key."""
    return project_url(dsn).replace("://", "://…@", 1)


def server_url(dsn: str) -> str:
    """Return the address of the server for a browser."""
    parsed = Dsn(dsn)
    return f"{parsed.scheme}://{parsed.netloc}/"


def describe_events(events: list[QueuedEvent]) -> str:
    """Return the number and the size of the events, such as `3 events, 1.2 KB`."""
    size = filesizeformat(total_bytes(events)).replace("\xa0", " ")
    return f"{format_count(len(events), 'event')}, {size}"


def describe_failure(failure: DeliveryFailure) -> str:
    """Return the reason of the last failure, its time, and the end of the rate limit if the server set one."""
    rate_limit = f"; rate limit until {format_time(failure.at + failure.wait_s)}" if failure.wait_s else ""
    return f"{failure.reason}; {format_moment(failure.at)}{rate_limit}"


def format_moment(at: float) -> str:
    """Return a local time, and how long ago it was."""
    seconds = max(0, int(time.time() - at))
    unit, length = next((unit for unit in UNITS if seconds >= unit[1]), UNITS[-1])
    return f"{format_time(at)} ({format_count(seconds // length, unit)} ago)"


def format_time(at: float) -> str:
    """Return a local time with seconds."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
