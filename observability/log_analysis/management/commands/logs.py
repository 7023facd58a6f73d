"""Read the log files: follow them, find one request, report what is slow and what fails."""

from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.cli import add_arguments, run
from observability.log_analysis.terminal import Output, Terminal, discard_stdout
from observability.text import escape_lines

PROGRAM = "manage.py logs"


class Command(BaseCommand):
    """Read the directories that LOGGING writes to, or those of --in. No database or running service is needed.

    Broken lines are left out, and their number is printed to stderr. The exit status is 1 after an error.
    """

    help = "Read the log files and their rotated files: follow them, find a request, report slow requests and errors."
    # This command must also work if the project has an error that the checks would report.
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:  # noqa: ANN401
        """Create Django's parser, with the examples printed as they are written."""
        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser, PROGRAM)

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        terminal = Terminal.of(
            self.stdout, no_color=options["no_color"], force_color=options["force_color"], program=PROGRAM
        )
        output = Output(self.stdout.write, lambda text: self.stderr.write(escape_lines(text)), terminal)
        try:
            run(options, output, log_directories())
            self.stdout.flush()
        except LogAnalysisError as error:
            raise CommandError(escape_lines(str(error))) from None
        except BrokenPipeError:
            discard_stdout()
        except KeyboardInterrupt:
            # Ctrl-C is the normal end of following.
            if options["subcommand"] is not None:
                raise


def log_directories() -> list[Path]:
    """Return the directories that the handlers of LOGGING write to; `var/log` if no handler writes a file."""
    handlers: dict[str, dict[str, Any]] = settings.LOGGING.get("handlers") or {}
    files = [Path(handler["filename"]) for handler in handlers.values() if handler.get("filename")]
    return list(dict.fromkeys(file.parent for file in files)) or [Path("var/log")]
