"""The production settings with the addresses of the probe."""

from settings.production import *
from settings.production import MIDDLEWARE, OBSERVABILITY

ROOT_URLCONF = "tests.probe.urls"
MIDDLEWARE = [*MIDDLEWARE, "tests.probe.middleware.FailingMiddleware"]
OBSERVABILITY = OBSERVABILITY | {"SERVER_TIMING": "everyone", "SLOW_QUERY_MS": 20}
