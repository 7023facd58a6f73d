"""Change the level of a logger in running processes, for a time."""

import difflib
import logging
import os
import re
import sys
import time
from argparse import RawDescriptionHelpFormatter
from datetime import datetime
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
FOLLOW_UP = "Every process of this service on this machine follows within two seconds."
EXAMPLES = """
examples:
  manage.py loglevel                                list the changed levels
  manage.py loglevel shop.orders DEBUG --for 1h     change a logger and its children
  manage.py loglevel shop.orders --reset            reset this logger
  manage.py loglevel --reset                        reset all loggers
"""

log = logging.getLogger("observability.levels")


class Command(BaseCommand):
    """Write the file that the processes poll. Each process ends a change by itself when its time is over."""

    help = "Change the level of a logger in every running process of this service on this machine, for a time."
    # Usually something is wrong already when a level is changed.
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:  # noqa: ANN401
        """Add the examples to Django's parser, with their line breaks."""
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "logger", nargs="?", help="a logger name, usually that of a module such as shop.orders; or root"
        )
        parser.add_argument("level", nargs="?", help=f"one of {', '.join(LEVELS)}")
        parser.add_argument(
            "--for",
            dest="duration",
            metavar="TIME",
            help=f"for example 90s, 10m or 2h; default: {DEFAULT_DURATION}",
        )
        parser.add_argument("--reset", action="store_true", help="reset the logger, or all loggers")

    def handle(self, *, logger: str | None, level: str | None, duration: str | None, reset: bool, **_: Any) -> None:  # noqa: ANN401
        _path()
        if reset and (level or duration):
            raise CommandError("Give either a level or --reset, not both.")
        if duration and not level:
            raise CommandError("--for needs a logger and a level.")
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
        # Checked first: reading the level of a logger creates it.
        warning = "" if _is_known(logger) else f"No logger or module has the name {logger}. {_suggest(logger)}"
        with edit_changes(_path()) as changes:
            before = changes.get(logger)
            was = before.was if before else _configured_level(logger)
            change = LevelChange(logger, level, was, time.time() + seconds, seconds, _user(), os.getpid())
            changes[logger] = change
        _log(LOG_LEVEL_CHANGED, change)
        self.stdout.write(f"{logger} is {level} until {_format_time(change.until)}; it was {was}. {FOLLOW_UP}")
        if warning:
            self.stderr.write(warning)

    def _reset(self, logger: str | None) -> None:
        with edit_changes(_path()) as changes:
            removed = [changes[name] for name in list(changes) if logger in (None, name)]
            for change in removed:
                del changes[change.logger]
        for change in removed:
            _log(LOG_LEVEL_RESET, change)
            self.stdout.write(f"{change.logger} is {change.was} again.")
        no_change = f"{logger} is not changed." if logger else "No level is changed."
        self.stdout.write(FOLLOW_UP if removed else no_change)

    def _list(self) -> None:
        changes = [change for change in read_changes(_path()) if change.remaining_s() > 0]
        if not changes:
            self.stdout.write("No level is changed.")
            return
        rows = [("logger", "level", "was", "until", "by")]
        rows += [(each.logger, each.level, each.was, _format_time(each.until), each.by) for each in changes]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(map(str.ljust, row, widths)).rstrip())


def _path() -> Path:
    path = shared_file(LEVELS_FILE)
    if path is None:
        raise CommandError("Levels cannot be changed at run time: OBSERVABILITY['VAR_DIR'] is empty.")
    return path


def _require_name(logger: str) -> None:
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)*", logger) or len(logger) > 255:  # noqa: PLR2004 - the maximum length of a file name
        raise CommandError(
            f"{logger!r} is not a logger name. A logger name is words joined by dots, for example shop.orders."
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
        raise CommandError(
            f"--for is {text!r}. Allowed: a number with s, m or h, for example 90s, 10m or 2h; at most 24h."
        )
    return float(seconds)


def _configured_level(name: str) -> str:
    """Describe the level of logging.yaml, and whether it is inherited or its records are buffered."""
    number = levels.configured_level(name)
    level: str = logging.getLevelName(number)
    if number < logging.INFO and is_buffered(name):
        return f"{level}, buffered"
    return level if logging.getLogger(name).level else f"{level}, inherited"


def _is_known(name: str) -> bool:
    """Return whether this process has the logger, or a module of that name, which may create it in other processes."""
    try:
        return name in ("root", *logging.root.manager.loggerDict) or find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _suggest(name: str) -> str:
    close = difflib.get_close_matches(name, logging.root.manager.loggerDict)
    return f"Did you mean {' or '.join(close)}?" if close else "The key `logger` of a log line has its logger name."


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _user() -> str:
    """Return the user that runs the command, also behind sudo. Only the environment has that name."""
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
        # The user of a container may have no name.
        return f"uid {os.getuid()}"


def _log(event: str, change: LevelChange) -> None:
    facts = {
        "log_level.logger": change.logger,
        "log_level.level": change.level,
        "log_level.was": change.was,
        "log_level.until": datetime.fromtimestamp(change.until).astimezone().isoformat(timespec="seconds"),
        "log_level.by": _user(),
        "process.pid": os.getpid(),
    }
    # Ignore the level of the logger: this command may have raised it.
    log.callHandlers(log.makeRecord(log.name, logging.INFO, __file__, 0, event, (), None, extra={"facts": facts}))
