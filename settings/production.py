"""The settings of production: what is not safe is refused at the start."""

from django.core.checks.security.base import SECRET_KEY_INSECURE_PREFIX as PREFIX
from django.core.checks.security.base import SECRET_KEY_MIN_LENGTH as LENGTH
from django.core.checks.security.base import SECRET_KEY_MIN_UNIQUE_CHARACTERS as UNIQUE

from settings import environment
from settings.base import *
from settings.base import logging_layers

DEBUG = False
if environment.flag("DEBUG", default=False):
    raise environment.refused("DEBUG", "true", "production never runs with DEBUG; use settings.development for it")

SECRET_KEY = environment.secret(
    "SECRET_KEY",
    allowed=f"{LENGTH} characters or more, at random, not the key of a developer's machine ({PREFIX}…)",
    is_allowed=lambda key: len(key) >= LENGTH and len(set(key)) >= UNIQUE and not key.startswith(PREFIX),
)
ALLOWED_HOSTS = environment.names("ALLOWED_HOSTS", allowed="the host names that it serves, separated by commas")
if "*" in ALLOWED_HOSTS:
    raise environment.refused("ALLOWED_HOSTS", "*", "the host names that it serves, not every name")

LOGGING = logging_layers("production")
ENVIRONMENT = "production"
