"""Settings of the probe for a real server, with a middleware that is only synchronous."""

from tests.probe.settings.production import *
from tests.probe.settings.production import MIDDLEWARE

SECURITY = MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1
MIDDLEWARE = [*MIDDLEWARE[:SECURITY], "whitenoise.middleware.WhiteNoiseMiddleware", *MIDDLEWARE[SECURITY:]]
