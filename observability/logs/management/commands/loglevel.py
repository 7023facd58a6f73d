"""Change the level of a logger in the processes that run."""

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
from observability.logs import level_file
from observability.logs.held import is_held
from observability.logs.level_file import LEVELS, LEVELS_FILE, Change, LevelFileError
from observability.logs.levels import levels

LOG_LEVEL_CHANGED = "log_level_changed"
LOG_LEVEL_RESET = "log_level_reset"

DEFAULT_DURATION = "10m"
MAX_DURATION_S = 24 * 3600
UNITS_S = {"s": 1, "m": 60, "h": 3600}
FOLLOWING = "Every process of this service on this machine follows within two seconds."
EXAMPLES = """
examples:
  manage.py loglevel                                what is changed
  manage.py loglevel shop.orders DEBUG --for 1h     change a logger and those below it
  manage.py loglevel shop.orders --reset            take it back
  manage.py loglevel --reset                        take all back
"""

log = logging.getLogger("observability.levels")


class Command(BaseCommand):
    """Writes the file that the processes look at; each takes the change back by itself when its time is over."""

    help = "Changes the level of a logger in every running process of this service on this machine, for a time."
    # A level is changed when something is wrong already.
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:  # noqa: ANN401
        """Django's, with the examples below it as they are written."""
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("logger", nargs="?", help="such as shop.orders, which is a module, or root")
        parser.add_argument("level", nargs="?", help=f"one of {', '.join(LEVELS)}")
        parser.add_argument(
            "--for",
            dest="duration",
            metavar="TIME",
            help=f"such as 90s, 10m or 2h; {DEFAULT_DURATION} where it is left out",
        )
        parser.add_argument("--reset", action="store_true", help="take the change of the logger back, or all")

    def handle(self, *, logger: str | None, level: str | None, duration: str | None, reset: bool, **_: Any) -> None:  # noqa: ANN401
        _path()
        if reset and (level or duration):
            raise CommandError("Say either a level or --reset.")
        if duration and not level:
            raise CommandError("Say which logger gets which level for that time.")
        try:
            if reset:
                self._reset(logger)
            elif logger is None:
                self._list()
            else:
                self._change(logger, _level(level), _seconds(duration or DEFAULT_DURATION))
        except LevelFileError as error:
            raise CommandError(str(error)) from None

    def _change(self, logger: str, level: str, seconds: float) -> None:
        _require_name(logger)
        # Looked for before it is asked for its level, which would make it.
        doubt = "" if _is_known(logger) else f"No logger or module is called {logger} here. {_similar(logger)}"
        with level_file.changing(_path()) as changes:
            before = changes.get(logger)
            was = before.was if before else _configured_level(logger)
            change = Change(logger, level, was, time.time() + seconds, seconds, _user(), os.getpid())
            changes[logger] = change
        _log(LOG_LEVEL_CHANGED, change)
        self.stdout.write(f"{logger} is {level} until {_clock(change.until)}; it was {was}. {FOLLOWING}")
        if doubt:
            self.stderr.write(doubt)

    def _reset(self, logger: str | None) -> None:
        with level_file.changing(_path()) as changes:
            taken = [changes[name] for name in list(changes) if logger in (None, name)]
            for change in taken:
                del changes[change.logger]
        for change in taken:
            _log(LOG_LEVEL_RESET, change)
            self.stdout.write(f"{change.logger} is {change.was} again.")
        nothing = f"{logger} is not changed." if logger else "No level is changed."
        self.stdout.write(FOLLOWING if taken else nothing)

    def _list(self) -> None:
        changes = [change for change in level_file.read(_path()) if change.remaining_s() > 0]
        if not changes:
            self.stdout.write("No level is changed.")
            return
        rows = [("logger", "level", "was", "until", "by")]
        rows += [(each.logger, each.level, each.was, _clock(each.until), each.by) for each in changes]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(map(str.ljust, row, widths)).rstrip())


def _path() -> Path:
    path = shared_file(LEVELS_FILE)
    if path is None:
        raise CommandError("Levels cannot be changed at run time: OBSERVABILITY['VAR_DIR'] is empty.")
    return path


def _require_name(logger: str) -> None:
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)*", logger) or len(logger) > 255:  # noqa: PLR2004 - as long as a file's name
        raise CommandError(
            f"{logger!r} is no name of a logger: it is words with dots between them, such as shop.orders."
        )


def _level(written: str | None) -> str:
    allowed = f"one of {', '.join(LEVELS)}, or --reset"
    if written is None:
        raise CommandError(f"Say which level it gets: {allowed}.")
    if written.upper() not in LEVELS:
        raise CommandError(f"The level is {written!r}: {allowed}.")
    return written.upper()


def _seconds(written: str) -> float:
    match = re.fullmatch(r"([0-9]{1,9})([smh])", written)
    seconds = int(match[1]) * UNITS_S[match[2]] if match else 0
    if not 1 <= seconds <= MAX_DURATION_S:
        raise CommandError(f"--for is {written!r}: a number with s, m or h, such as 90s, 10m or 2h; at most 24h.")
    return float(seconds)


def _configured_level(name: str) -> str:
    """The level that logging.yaml gives the logger, and how it comes by it where that is not plain."""
    number = levels.configured_level(name)
    level: str = logging.getLevelName(number)
    if number < logging.INFO and is_held(name):
        return f"{level}, held"
    return level if logging.getLogger(name).level else f"{level}, inherited"


def _is_known(name: str) -> bool:
    """Whether there is such a logger in this process, or a module, which may make one in another process."""
    try:
        return name in ("root", *logging.root.manager.loggerDict) or find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _similar(name: str) -> str:
    found = difflib.get_close_matches(name, logging.root.manager.loggerDict)
    return f"Did you mean {' or '.join(found)}?" if found else "A log line has the name of its logger under `logger`."


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _user() -> str:
    """Who runs the command, also behind sudo; of the environment, since only that tells."""
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
        # A container runs as a number that has no name.
        return f"uid {os.getuid()}"


def _log(event: str, change: Change) -> None:
    facts = {
        "log_level.logger": change.logger,
        "log_level.level": change.level,
        "log_level.was": change.was,
        "log_level.until": datetime.fromtimestamp(change.until).astimezone().isoformat(timespec="seconds"),
        "log_level.by": _user(),
        "process.pid": os.getpid(),
    }
    # Past the level, which this very command may have raised.
    log.callHandlers(log.makeRecord(log.name, logging.INFO, __file__, 0, event, (), None, extra={"facts": facts}))
