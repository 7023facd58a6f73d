"""Settings for development. They need no environment variable."""

from importlib.util import find_spec

from settings import environment
from settings.base import *
from settings.base import (
    DATABASES,
    INSTALLED_APPS,
    MIDDLEWARE,
    OBSERVABILITY,
    REST_FRAMEWORK,
    VAR_DIR,
    logging_layers,
)
from settings.database import database
from settings.secret_key import machine_secret_key

ENVIRONMENT = "development"

DEBUG = True
SECRET_KEY = environment.environment.str("SECRET_KEY", default="") or machine_secret_key(VAR_DIR / "secret-key")
ALLOWED_HOSTS = environment.names(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"], allowed="host names, separated by commas"
)
INTERNAL_IPS = environment.names(
    "INTERNAL_IPS", default=["127.0.0.1", "::1"], allowed="IP addresses of developers, separated by commas"
)
DEVELOPER_HOSTS = environment.names(
    "DEVELOPER_HOSTS",
    default=[],
    pattern=r"\.?[\w-]+(\.[\w-]+)*|\[[0-9A-Fa-f:.]+\]",
    allowed="host names without a port, separated by commas, at which developers open the service",
)
ROOT_URLCONF = "settings.development_urls"
LOGIN_URL = "admin:login"
LOGGING = logging_layers("development")
OBSERVABILITY = OBSERVABILITY | {
    "SERVER_TIMING": "everyone",
    "DEVELOPER_HOSTS": DEVELOPER_HOSTS,
    "QUIET_PATHS": [*OBSERVABILITY["QUIET_PATHS"], "/__debug__/*", "/favicon.ico"],
    # The last reader: it shows the results of the other readers.
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

# The page for an exception shows no secrets, and details only to developers.
DEFAULT_EXCEPTION_REPORTER = "observability.profiler.debug_page.DebugPageReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "observability.profiler.debug_page.DebugPageFilter"

# The profiler. In order, from outside: the toolbar, the JSON page, the profile of the request.

INSTALLED_APPS = [*INSTALLED_APPS, "observability.profiler", "debug_toolbar"]
PROFILER_MIDDLEWARE = [
    "observability.profiler.middleware.JsonPageMiddleware",
    "observability.profiler.middleware.ProfileMiddleware",
]
# Without the toolbar, requests are still recorded, in less than half of the time.
if environment.flag("TOOLBAR", default=True):
    PROFILER_MIDDLEWARE = ["observability.profiler.toolbar.ToolbarMiddleware", *PROFILER_MIDDLEWARE]
else:
    # The toolbar's check requires its middleware.
    SILENCED_SYSTEM_CHECKS = ["debug_toolbar.W001"]
DEBUG_TOOLBAR_CONFIG = {
    "SHOW_TOOLBAR_CALLBACK": "observability.profiler.toolbar.show_toolbar",
    "TOOLBAR_STORE_CLASS": "observability.profiler.toolbar.ProfileToolbarStore",
    "SHOW_TEMPLATE_CONTEXT": False,
}
# Panels about one API request. The panels for settings, versions and signals would cost time in every request.
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

# silk records a request only if the request asks for it, in a separate database. The package is optional.

if find_spec("silk"):
    INSTALLED_APPS = [*INSTALLED_APPS, "silk"]
    PROFILER_MIDDLEWARE = [*PROFILER_MIDDLEWARE, "observability.profiler.silk.SilkMiddleware"]
    DATABASE_ROUTERS = ["observability.profiler.routing.SilkRouter"]
    DATABASES = DATABASES | {
        "silk": database("SILK_DATABASE_URL", default_url=f"sqlite:///{VAR_DIR / 'silk.sqlite3'}"),
    }
    SILKY_MIDDLEWARE_CLASS = "observability.profiler.silk.SilkMiddleware"
    SILKY_AUTHENTICATION = True
    SILKY_AUTHORISATION = True  # staff only
    SILKY_MAX_RECORDED_REQUESTS = 100
    SILKY_MAX_RECORDED_REQUESTS_CHECK_PERCENT = 100
    SILKY_MAX_REQUEST_BODY_SIZE = 64 * 1024
    SILKY_MAX_RESPONSE_BODY_SIZE = 64 * 1024

# After the Observation and the limits of requests, before all others.
MIDDLEWARE = [*MIDDLEWARE[:2], *PROFILER_MIDDLEWARE, *MIDDLEWARE[2:]]
