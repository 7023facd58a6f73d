"""The settings of the probe with the middleware of production, one of which is only synchronous."""

from settings.production import MIDDLEWARE as PRODUCTION
from tests.probe.settings import *

MIDDLEWARE = [*PRODUCTION, "tests.probe.middleware.FailingMiddleware"]
