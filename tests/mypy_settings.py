"""The settings by which mypy's Django plugin finds all models: those of the service and of the probe project."""

from settings.test import *
from settings.test import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.probe"]
