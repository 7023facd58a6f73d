"""Read the log files: follow them, find all of one request, and ask what is slow, what fails and why."""

from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from observability.log_analysis.answer import Output, answer
from observability.log_analysis.arguments import add_arguments
from observability.log_analysis.mistake import ReadingError
from observability.log_analysis.terminal import Terminal, abandon_stdout

PROGRAM = "manage.py logs"


class Command(BaseCommand):
    """Reads the directories into which LOGGING writes, or any others; needs no database and no running service.

    A line that is broken is counted, told on stderr and left out. It ends with 1 where nothing can be read or found.
    """

    help = "Reads the log files with their rotated ones: follows them, finds a request, tells what is slow and fails."
    # Logs are read when something is wrong already.
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:  # noqa: ANN401
        """Django's, with the examples below it as they are written."""
        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser, PROGRAM)

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        terminal = Terminal.of(self.stdout, no_color=options["no_color"], force_color=options["force_color"])
        output = Output(self.stdout.write, self.stderr.write, terminal)
        try:
            answer(options, output, log_directories())
            self.stdout.flush()
        except ReadingError as error:
            raise CommandError(str(error)) from None
        except BrokenPipeError:
            abandon_stdout()
        except KeyboardInterrupt:
            if options["question"] is not None:
                raise


def log_directories() -> list[Path]:
    """Where the handlers of LOGGING write files; `var/log` where none does."""
    handlers: dict[str, dict[str, Any]] = settings.LOGGING.get("handlers") or {}
    files = [Path(handler["filename"]) for handler in handlers.values() if handler.get("filename")]
    return list(dict.fromkeys(file.parent for file in files)) or [Path("var/log")]
