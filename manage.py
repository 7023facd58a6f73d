#!/usr/bin/env python
"""Django's command line. It uses the development settings if DJANGO_SETTINGS_MODULE is not set."""

import os
import sys


def main() -> None:
    """Run the command. A wrong setting is reported as one line: a traceback through the imports would hide it."""
    # Imported here, because Ctrl-C during the import must not print a traceback.
    from django.core.exceptions import ImproperlyConfigured

    from observability.text import EscapingStream

    # Stack traces and messages may contain text of a request, which the terminal must not execute. An interactive shell
    # moves the cursor, and the output of a command to a file is data.
    if sys.argv[1:2] not in (["shell"], ["shell_plus"], ["dbshell"]):
        sys.stderr = EscapingStream(sys.stderr)
        if sys.stdout.isatty():
            sys.stdout = EscapingStream(sys.stdout)

    try:
        if sys.argv[1:2] == ["logs"]:
            # `logs` only reads files: loading the apps would take longer than most of its reports.
            from observability.log_analysis.management.commands.logs import Command

            Command().run_from_argv(sys.argv)
        else:
            from django.core.management import execute_from_command_line

            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.development")
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
