"""Change the level of a logger in running processes for a limited time."""

import difflib
import logging
import os
import re
import sys
import time
from argparse import RawDescriptionHelpFormatter
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from observability.conf import shared_file
from observability.logs.buffering import is_buffered
from observability.logs.levels import (
    LEVELS,
    LEVELS_FILE,
    LevelChange,
    LevelFileError,
    edit_changes,
    levels,
    read_changes,
)

LOG_LEVEL_CHANGED = "log_level_changed"
LOG_LEVEL_RESET = "log_level_reset"

DEFAULT_DURATION = "10m"
MAX_DURATION_S = 24 * 3600
UNITS_S = {"s": 1, "m": 60, "h": 3600}
FOLLOW_UP = "All processes of this service on this machine apply this within 2 seconds."
NO_CHANGES = "No log level is changed at present."
EXAMPLES = """
examples:
  manage.py loglevel                                list the changed levels
  manage.py loglevel shop.orders DEBUG --for 1h     change a logger and its children
  manage.py loglevel shop.orders --reset            reset this logger
  manage.py loglevel --reset                        reset all loggers
"""

log = logging.getLogger("observability.levels")


class Command(BaseCommand):
    """Write the file that all processes of the service read. Each process ends a change when its time is over."""

    help = "Change the level of a logger for a limited time, in all running processes of this service on this machine."
    # This command must also work if the project has an error that the checks would report.
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:  # noqa: ANN401
        """Return Django's parser with the examples, and keep their line breaks."""
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "logger", nargs="?", help="a logger name, usually the name of a module (shop.orders), or root"
        )
        parser.add_argument("level", nargs="?", help=f"the new level: {', '.join(LEVELS)}")
        parser.add_argument(
            "--for",
            dest="duration",
            metavar="TIME",
            help=f"duration of the change: 90s, 10m, 2h; at most 24h (default: {DEFAULT_DURATION})",
        )
        parser.add_argument(
            "--reset", action="store_true", help="reset this logger; without a logger, reset all of them"
        )

    def handle(self, *, logger: str | None, level: str | None, duration: str | None, reset: bool, **_: Any) -> None:  # noqa: ANN401
        _path()
        if reset and (level or duration):
            raise CommandError("--reset cannot be combined with a level or --for.")
        if duration and not level:
            raise CommandError(f"--for requires a logger and a level: `loglevel shop.orders DEBUG --for {duration}`.")
        try:
            if reset:
                self._reset(logger)
            elif logger is None:
                self._list()
            else:
                self._change(logger, _parse_level(level), _parse_duration(duration or DEFAULT_DURATION))
        except LevelFileError as error:
            raise CommandError(str(error)) from None

    def _change(self, logger: str, level: str, seconds: float) -> None:
        _require_name(logger)
        # Check this first: reading the level of a logger creates the logger.
        warning = "" if _is_known(logger) else f"Warning: no logger or module has the name {logger}. {_suggest(logger)}"
        with edit_changes(_path()) as changes:
            before = changes.get(logger)
            was = before.was if before else _configured_level(logger)
            change = LevelChange(logger, level, was, time.time() + seconds, seconds, _user(), os.getpid())
            changes[logger] = change
        _log(LOG_LEVEL_CHANGED, change)
        self.stdout.write(
            f"{logger} has the level {level} until {_format_time(change.until)} UTC (before: {was}). {FOLLOW_UP}"
        )
        if warning:
            self.stderr.write(warning)

    def _reset(self, logger: str | None) -> None:
        with edit_changes(_path()) as changes:
            removed = [changes[name] for name in list(changes) if logger in (None, name)]
            for change in removed:
                del changes[change.logger]
        for change in removed:
            _log(LOG_LEVEL_RESET, change)
            self.stdout.write(f"{change.logger} is reset to {change.was}.")
        no_change = f"The level of {logger} is not changed." if logger else NO_CHANGES
        self.stdout.write(FOLLOW_UP if removed else no_change)

    def _list(self) -> None:
        changes = [change for change in read_changes(_path()) if change.remaining_s() > 0]
        if not changes:
            self.stdout.write(NO_CHANGES)
            return
        rows = [("logger", "level", "before", "until (UTC)", "changed by")]
        rows += [(each.logger, each.level, each.was, _format_time(each.until), each.by) for each in changes]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(map(str.ljust, row, widths)).rstrip())


def _path() -> Path:
    path = shared_file(LEVELS_FILE)
    if path is None:
        raise CommandError(
            "Log levels cannot be changed, because OBSERVABILITY['VAR_DIR'] is empty. Set it to a directory."
        )
    return path


def _require_name(logger: str) -> None:
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)*", logger) or len(logger) > 255:  # noqa: PLR2004 - the maximum length of a file name
        raise CommandError(
            f"{logger!r} is not a logger name. Allowed: words with dots between them, for example shop.orders."
        )


def _parse_level(text: str | None) -> str:
    allowed = f"Allowed: {', '.join(LEVELS)}, or --reset"
    if text is None:
        raise CommandError(f"The level is missing. {allowed}.")
    if text.upper() not in LEVELS:
        raise CommandError(f"{text!r} is not a level. {allowed}.")
    return text.upper()


def _parse_duration(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,9})([smh])", text)
    seconds = int(match[1]) * UNITS_S[match[2]] if match else 0
    if not 1 <= seconds <= MAX_DURATION_S:
        raise CommandError(f"--for is {text!r}. Allowed: a number with s, m or h, such as 90s, 10m or 2h; at most 24h.")
    return float(seconds)


def _configured_level(name: str) -> str:
    """Describe the level from logging.yaml, and whether it is inherited or its records are buffered."""
    number = levels.configured_level(name)
    level: str = logging.getLevelName(number)
    if number < logging.INFO and is_buffered(name):
        return f"{level}, buffered"
    return level if logging.getLogger(name).level else f"{level}, inherited"


def _is_known(name: str) -> bool:
    """Return whether the name belongs to a logger, or to a module, which may create the logger in other processes."""
    try:
        return name in ("root", *logging.root.manager.loggerDict) or find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _suggest(name: str) -> str:
    close = difflib.get_close_matches(name, logging.root.manager.loggerDict)
    return (
        f"Did you mean {' or '.join(close)}?"
        if close
        else "In a log line, the key `logger` has the name of the logger."
    )


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _user() -> str:
    """Return the name of the user who runs the command, also with sudo: the environment has the real user."""
    own = _own_name()
    behind_sudo = os.environ.get("SUDO_USER", "")
    return f"{behind_sudo} (as {own})" if behind_sudo and behind_sudo != own else own


def _own_name() -> str:
    if sys.platform == "win32":
        return os.getlogin()
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # In a container the user may have no name.
        return f"uid {os.getuid()}"


def _log(event: str, change: LevelChange) -> None:
    facts = {
        "log_level.logger": change.logger,
        "log_level.level": change.level,
        "log_level.was": change.was,
        "log_level.until": datetime.fromtimestamp(change.until, UTC).isoformat(timespec="seconds"),
        "log_level.by": _user(),
        "process.pid": os.getpid(),
    }
    # Ignore the level of the logger: this command may have raised it.
    log.callHandlers(log.makeRecord(log.name, logging.INFO, __file__, 0, event, (), None, extra={"facts": facts}))
