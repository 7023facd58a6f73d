"""Settings of the probe for a real server. All middleware also works asynchronously.

If one middleware is only synchronous, Django runs all middleware before it synchronously too.
`tests.probe.settings.synchronous` has one.
"""

from tests.probe.settings.base import *
from tests.probe.settings.base import MIDDLEWARE, OBSERVABILITY, logging_layers

ENVIRONMENT = "production"
MIDDLEWARE = [*MIDDLEWARE, "tests.probe.middleware.FailingMiddleware"]
OBSERVABILITY = OBSERVABILITY | {"SERVER_TIMING": "everyone", "SLOW_QUERY_MS": 20}
LOGGING = logging_layers("production")
LOGGING["loggers"]["probe"] = {"level": "DEBUG"}
LOGGING["handlers"]["buffered"]["loggers"].append("probe")
