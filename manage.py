#!/usr/bin/env python
"""Django's command line, under the development settings unless DJANGO_SETTINGS_MODULE names others."""

import os
import sys


def main() -> None:
    """Run the command; a wrong setting is one sentence, since a traceback through the imports would bury it."""
    # Ctrl-C can come while Django is imported.
    from django.core.exceptions import ImproperlyConfigured

    try:
        if sys.argv[1:2] == ["logs"]:
            # It reads files: to load the apps first would take longer than most of its answers.
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
