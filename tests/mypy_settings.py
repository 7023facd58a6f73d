"""Settings for mypy's Django plugin, with the models of the service and of the probe project."""

from settings.test import *
from settings.test import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.probe"]
