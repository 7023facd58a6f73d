#!/usr/bin/env python
"""Django's command line, under the development settings unless DJANGO_SETTINGS_MODULE names others."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.development")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # A sentence that names the variable or the setting; a traceback through the imports would bury it.
        sys.exit(f"manage.py: {error}")
