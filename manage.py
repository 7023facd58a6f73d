#!/usr/bin/env python
"""Django's command line, under the development settings unless DJANGO_SETTINGS_MODULE names others."""

import os
import sys


def main() -> None:
    """Run the command; a wrong setting is one sentence, since a traceback through the imports would bury it."""
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 - Ctrl-C can come while it is imported

    try:
        if sys.argv[1:2] == ["logs"]:
            # It reads files: to load the apps first would take longer than most of its answers.
            from observability.logs.management.commands.logs import Command  # noqa: PLC0415 - as above

            Command().run_from_argv(sys.argv)
        else:
            from django.core.management import execute_from_command_line  # noqa: PLC0415 - as above

            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.development")
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
