"""Whether failures arrive: `manage.py sentry test`; what waits: `status`; and sending that: `flush`."""

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import sentry_sdk
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from observability.sentry.delivery.bounds import total_bytes
from observability.sentry.delivery.flushing import flush
from observability.sentry.delivery.project import address_of, masked
from observability.sentry.delivery.server import Outcome
from observability.sentry.delivery.spool import Spool, Waiting, other_spools
from observability.sentry.delivery.transport import SpoolTransport
from observability.sentry.delivery.trouble import Trouble, last_trouble
from observability.sentry.trial import TRIED, send_trial

HANDLER = "observability.sentry.handler.FailureHandler"
FLUSH_TIMEOUT_S = 30.0
UNITS = (("day", 24 * 3600), ("hour", 3600), ("minute", 60), ("second", 1))


class Command(BaseCommand):
    """Each subcommand is a method of its name."""

    help = "Tells whether failures arrive at Sentry and which ones wait, and sends those."
    # Failures are looked for when something is wrong already.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="what", metavar="COMMAND", required=True)
        commands.add_parser(
            "test", help="send an event, and tell what the server answered; exits with 1 where it is not there"
        )
        commands.add_parser("status", help="tell what waits, since when, and why")
        flush = commands.add_parser("flush", help="send what waits now; exits with 1 where some remain")
        flush.add_argument(
            "--timeout",
            dest="timeout_s",
            type=float,
            default=FLUSH_TIMEOUT_S,
            metavar="SECONDS",
            help=f"give up after so many seconds; {FLUSH_TIMEOUT_S:g} where it is left out",
        )

    def handle(self, *, what: str, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        # What waits is looked at here, and not sent beside it by the thread of this very process.
        transport = sentry_sdk.get_client().transport
        if isinstance(transport, SpoolTransport):
            transport.kill()
        {"test": self.test, "status": self.status, "flush": self.flush}[what](**options)

    def test(self, **_: object) -> None:
        """Send an event, and tell where it is."""
        dsn = settings.SENTRY_DSN
        if not dsn:
            raise CommandError("SENTRY_DSN is not set: failures are lines of sentry.jsonl, and nothing is sent.")
        trial = send_trial(dsn)
        self._line("project", masked(dsn))
        if trial.event_id is None or trial.answer is None:
            raise CommandError(f"Nothing reported the error: LOGGING has no handler {HANDLER} for it.")
        self._line("event", trial.event_id)
        self._line("answer", f"{trial.answer.reason}, after {trial.duration_ms:.0f} ms")
        if trial.answer.outcome is not Outcome.TAKEN:
            raise CommandError(f"The event did not arrive: {trial.answer.reason}.")
        self._line("look at", f"{address_of(dsn)}, the issue {TRIED}")

    def status(self, **_: object) -> None:
        """Tell what waits."""
        spool = configured_spool()
        waiting = spool.waiting()
        self._line("project", masked(settings.SENTRY_DSN))
        self._line("spool", spool.path)
        self._line("waiting", f"{events(len(waiting))}, {size(waiting)}" if waiting else "nothing")
        if waiting:
            self._line("oldest", moment(min(each.written_at for each in waiting)))
            trouble = last_trouble(spool)
            self._line("trouble", told(trouble) if trouble else "none so far")
        for other in other_spools(spool):
            if left := other.waiting():
                self._line("also", f"{events(len(left))}, {size(left)}, of {other.project}; sent under its DSN alone")

    def flush(self, *, timeout_s: float, **_: object) -> None:
        """Send what waits."""
        spool = configured_spool()
        if timeout_s <= 0:
            raise CommandError(f"--timeout is {timeout_s:g}: seconds, more than 0.")
        if spool.is_empty():
            self.stdout.write(f"Nothing waits for {masked(settings.SENTRY_DSN)}.")
            return
        flushed = flush(spool, settings.SENTRY_DSN, timeout_s)
        if flushed.sent_count:
            self.stdout.write(f"{events(flushed.sent_count)} sent to {masked(settings.SENTRY_DSN)}.")
        for reason, count in flushed.dropped.items():
            self.stdout.write(f"{events(count)} dropped, which the server will never take: {reason}.")
        if flushed.remaining_count:
            raise CommandError(f"{events(flushed.remaining_count)} still waiting: {flushed.reason}.")

    def _line(self, name: str, value: object) -> None:
        self.stdout.write(f"{name:8} {value}")


def configured_spool() -> Spool:
    """The spool of the settings. Raises CommandError where there is none, or it cannot be read."""
    spool_dir = getattr(settings, "SENTRY_SPOOL_DIR", "")
    if not settings.SENTRY_DSN:
        raise CommandError("SENTRY_DSN is not set: failures are not reported to Sentry, and none wait for it.")
    if not spool_dir:
        raise CommandError("SENTRY_SPOOL_DIR is empty: failures do not wait; what Sentry cannot take at once is lost.")
    spool = Spool.of(Path(spool_dir), settings.SENTRY_DSN)
    try:
        spool.require_readable()
    except OSError as error:
        hint = "run this as the user of the service"
        raise CommandError(f"{spool.path} cannot be read: {error.strerror}; {hint}.") from None
    return spool


def events(count: int) -> str:
    """A count in words."""
    return f"{count} event{'' if count == 1 else 's'}"


def size(waiting: list[Waiting]) -> str:
    """The size of these events in words."""
    return filesizeformat(total_bytes(waiting)).replace("\xa0", " ")


def told(trouble: Trouble) -> str:
    """What went wrong last, when, and for how long the server wants to be left alone."""
    wanted = f"; asks to wait until {clock(trouble.at + trouble.wait_s)}" if trouble.wait_s else ""
    return f"{trouble.reason}; {moment(trouble.at)}{wanted}"


def moment(at: float) -> str:
    """A time, and how long ago it was."""
    seconds = max(0, int(time.time() - at))
    name, length = next((unit for unit in UNITS if seconds >= unit[1]), UNITS[-1])
    count = seconds // length
    return f"{clock(at)} ({count} {name}{'' if count == 1 else 's'} ago)"


def clock(at: float) -> str:
    """A time as people read it."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
