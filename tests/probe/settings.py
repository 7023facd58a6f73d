"""The production settings with the addresses of the probe, and without middleware that is only synchronous.

One of that kind makes all that stand before it synchronous too; `tests.probe.synchronous` has production's.
"""

from settings.production import *
from settings.production import LOGGING, MIDDLEWARE, OBSERVABILITY

ROOT_URLCONF = "tests.probe.urls"
MIDDLEWARE = [name for name in MIDDLEWARE if "whitenoise" not in name] + ["tests.probe.middleware.FailingMiddleware"]
OBSERVABILITY = OBSERVABILITY | {"SERVER_TIMING": "everyone", "SLOW_QUERY_MS": 20}
LOGGING["loggers"]["probe"] = {"level": "DEBUG"}
LOGGING["handlers"]["held"]["loggers"].append("probe")
