"""Settings of the probe for development; scripts of other origins are allowed."""

from importlib.util import find_spec

from tests.probe.settings.base import *
from tests.probe.settings.base import (
    DATABASES,
    INSTALLED_APPS,
    MIDDLEWARE,
    OBSERVABILITY,
    REST_FRAMEWORK,
    database,
    env,
    logging_layers,
)

ENVIRONMENT = "development"
DEBUG = True
INTERNAL_IPS = ["127.0.0.1", "::1"]
DEFAULT_EXCEPTION_REPORTER = "observability.profiler.debug_page.DebugPageReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "observability.profiler.debug_page.DebugPageFilter"
# A fast hasher: no test depends on the hash of the password.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ROOT_URLCONF = "tests.probe.development_urls"
LOGGING = logging_layers("development")
LOGGING["loggers"]["probe"] = {"level": "DEBUG"}
OBSERVABILITY = OBSERVABILITY | {
    "SERVER_TIMING": "everyone",
    "QUIET_PATHS": [*OBSERVABILITY["QUIET_PATHS"], "/__debug__/*", "/favicon.ico"],
    "READERS": [*OBSERVABILITY["READERS"], "observability.profiler.reader.ProfileReader"],
}
REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticatedOrReadOnly"],
    "DEFAULT_RENDERER_CLASSES": [
        *REST_FRAMEWORK["DEFAULT_RENDERER_CLASSES"],
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "observability.profiler.browsable_api.ExplicitBrowsableAPINegotiation",
}

INSTALLED_APPS = [*INSTALLED_APPS, "observability.profiler", "debug_toolbar"]
PROFILER_MIDDLEWARE = [
    "observability.profiler.middleware.JsonPageMiddleware",
    "observability.profiler.middleware.ProfileMiddleware",
]
if env.bool("TOOLBAR", default=True):
    PROFILER_MIDDLEWARE = ["observability.profiler.toolbar.ToolbarMiddleware", *PROFILER_MIDDLEWARE]
else:
    SILENCED_SYSTEM_CHECKS = ["debug_toolbar.W001"]
DEBUG_TOOLBAR_CONFIG = {
    "SHOW_TOOLBAR_CALLBACK": "observability.profiler.toolbar.show_toolbar",
    "TOOLBAR_STORE_CLASS": "observability.profiler.toolbar.ProfileToolbarStore",
    "SHOW_TEMPLATE_CONTEXT": False,
}
DEBUG_TOOLBAR_PANELS = [
    "debug_toolbar.panels.history.HistoryPanel",
    "debug_toolbar.panels.timer.TimerPanel",
    "observability.profiler.toolbar.SQLPanel",
    "observability.profiler.panel.RepeatedQueriesPanel",
    "observability.budgets.panel.QueryBudgetPanel",
    "observability.profiler.panel.TransactionPanel",
    "observability.logs.panel.LogRecordsPanel",
    "observability.profiler.panel.FlameGraphPanel",
    "debug_toolbar.panels.request.RequestPanel",
    "debug_toolbar.panels.headers.HeadersPanel",
    "debug_toolbar.panels.cache.CachePanel",
    "debug_toolbar.panels.templates.TemplatesPanel",
]

if find_spec("silk"):
    INSTALLED_APPS = [*INSTALLED_APPS, "silk"]
    PROFILER_MIDDLEWARE = [*PROFILER_MIDDLEWARE, "observability.profiler.silk.SilkMiddleware"]
    DATABASE_ROUTERS = ["observability.profiler.routing.SilkRouter"]
    DATABASES = DATABASES | {"silk": database(env.str("SILK_DATABASE_URL", default="sqlite://:memory:"))}
    SILKY_MIDDLEWARE_CLASS = "observability.profiler.silk.SilkMiddleware"
    SILKY_AUTHENTICATION = True
    SILKY_AUTHORISATION = True
    SILKY_MAX_RECORDED_REQUESTS = 100
    SILKY_MAX_RECORDED_REQUESTS_CHECK_PERCENT = 100
    SILKY_MAX_REQUEST_BODY_SIZE = 64 * 1024
    SILKY_MAX_RESPONSE_BODY_SIZE = 64 * 1024

MIDDLEWARE = [MIDDLEWARE[0], *PROFILER_MIDDLEWARE, *MIDDLEWARE[1:], "tests.probe.middleware.CorsMiddleware"]
