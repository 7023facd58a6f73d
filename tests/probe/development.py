"""The development settings with the addresses of the probe, open to scripts of other origins."""

from settings.development import *
from settings.development import LOGGING, MIDDLEWARE

ROOT_URLCONF = "tests.probe.development_urls"
MIDDLEWARE = [*MIDDLEWARE, "tests.probe.middleware.CorsMiddleware"]
LOGGING["loggers"]["probe"] = {"level": "DEBUG"}
