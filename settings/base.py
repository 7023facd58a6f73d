"""Settings for all environments; `development`, `test` and `production` extend them."""

import re
import sys
from pathlib import Path
from typing import Any

from observability.logs.config import load_logging
from settings import environment
from settings.database import databases
from settings.private_files import set_umask
from settings.revision import git_revision

# Before the first file is created.
set_umask(sys.argv)

BASE_DIR = Path(__file__).resolve().parent.parent
# A relative path starts at the root of the repository.
VAR_DIR = BASE_DIR / environment.text(
    "VAR_DIR", default="var", allowed="the directory for files that the service writes"
)

SERVICE_NAME = environment.text(
    "SERVICE_NAME",
    default="vitrine",
    pattern=r"[a-z0-9][a-z0-9._-]*",
    allowed="lower-case letters, digits, '.', '_' and '-', with a letter or a digit first",
)
LOG_DIR = environment.text("LOG_DIR", default=str(VAR_DIR / "log"), allowed="the directory for log files")
RELEASE = environment.text("RELEASE", default=git_revision(BASE_DIR), allowed="the version of the running code")

# Allow plain HTTP with the production settings, to try them on this machine.
INSECURE_HTTP = environment.flag("INSECURE_HTTP", default=False)

HOST = environment.text("HOST", default="127.0.0.1", allowed="an IP address or host name of this machine")
# Whether other machines can connect. If they can, `prepare` creates no login with a known password.
SERVES_OTHER_MACHINES = not environment.is_loopback(HOST.strip("[]"))

# Apps, middleware and templates

ROOT_URLCONF = "settings.urls"
WSGI_APPLICATION = "settings.wsgi.application"
ASGI_APPLICATION = "settings.asgi.application"

INSTALLED_APPS = [
    "observability",
    "observability.logs",
    "observability.log_analysis",
    "observability.sentry",
    "observability.budgets",
    "service",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_filters",
    "rest_framework",
    "rest_framework.authtoken",
]

MIDDLEWARE = [
    "observability.middleware.ObservationMiddleware",
    "service.request_limits.RequestLimitsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "service.read_transactions.ReadTransactionMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Uploaded and collected files are private, too. By default, Django would let all users read them.
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700

STATIC_URL = "static/"
STATIC_ROOT = environment.text(
    "STATIC_ROOT", default=str(VAR_DIR / "static"), allowed="the directory for static files, which collectstatic fills"
)
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

# Databases

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = databases(default_url=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")

# Users

AUTH_USER_MODEL = "service.User"
AUTHENTICATION_BACKENDS = ["service.login_limits.LimitedModelBackend"]
# All processes of this machine count failed logins here.
LOGIN_FAILURES_DIR = environment.text(
    "LOGIN_FAILURES_DIR", default=str(VAR_DIR / "login-failures"), allowed="the directory in which failed logins count"
)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# The API

# The largest body, in bytes, of a view without `max_body_bytes`.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

TRUSTED_PROXY_COUNT = environment.number(
    "TRUSTED_PROXY_COUNT",
    int,
    default=0,
    allowed="the number of proxies in front of this service: a whole number, 0 or more",
    is_allowed=lambda count: count >= 0,
)

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "service.api.strict_json.StrictJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "rest_framework.filters.SearchFilter",
        "rest_framework.filters.OrderingFilter",
    ],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 50,
    "NUM_PROXIES": TRUSTED_PROXY_COUNT,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

# Observability

PROPAGATE_TO = environment.names(
    "PROPAGATE_TO",
    default=[],
    pattern=r"(\.?[\w-]+(\.[\w-]+)*|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?",
    allowed="hosts such as api.example.com, api.example.com:8443 or .example.com, separated by commas",
)

OBSERVABILITY: dict[str, Any] = {
    "READERS": [
        "observability.budgets.reader.QueryBudgetReader",
        "observability.response_headers.RequestIdHeader",
        "observability.response_headers.ServerTimingHeader",
        "observability.logs.slow_queries.SlowQueryReader",
        "observability.sentry.reporting.FailureReader",
        "observability.logs.buffering.BufferedRecordsReader",
        "observability.logs.access_log.AccessLogReader",
    ],
    "TRUSTED_PROXY_COUNT": TRUSTED_PROXY_COUNT,
    "QUIET_PATHS": ["/livez", "/readyz"],
    "PROPAGATE_TO": PROPAGATE_TO,
    "CODE_ROOT": str(BASE_DIR),
    "BUDGET_FILE": "service/query_budgets.json",
    "VAR_DIR": str(VAR_DIR),
    "RELEASE": RELEASE,
}

SENTRY_DSN = environment.secret(
    "SENTRY_DSN",
    default="",
    allowed="a DSN such as https://key@sentry.example.com/1, or empty",
    is_allowed=lambda dsn: re.fullmatch(r"https?://[^@/\s]+@\S+/\d+", dsn) is not None,
)
SENTRY_SPOOL_DIR = environment.text(
    "SENTRY_SPOOL_DIR", default=str(VAR_DIR / "sentry-spool"), allowed="the directory for events that are not sent yet"
)
SENTRY_TRACES_SAMPLE_RATE = environment.number(
    "SENTRY_TRACES_SAMPLE_RATE",
    float,
    default=0.0,
    allowed="a number from 0 to 1",
    is_allowed=lambda rate: 0 <= rate <= 1,
)

SENTRY_LOCALS = environment.flag("SENTRY_LOCALS", default=False)

# Like logging.config.dictConfig, but errors name the line of logging.yaml.
LOGGING_CONFIG = "observability.logs.config.configure"


def logging_layers(*default: str) -> dict[str, Any]:
    """Return the LOGGING dictionary of the layers in LOGGING_LAYERS, or of `default` if it is not set.

    LOGGING_OVERRIDES adds one more layer on top.
    """
    names = environment.names("LOGGING_LAYERS", default=list(default), allowed="names of layers of logging.yaml")
    overrides = environment.text("LOGGING_OVERRIDES", default="", allowed="the path of a YAML file with one more layer")
    syslog_address = environment.text(
        "SYSLOG_ADDRESS",
        default="unix:/dev/log",
        pattern=r"(udp|tcp)://([\w.-]+|\[[0-9A-Fa-f:.]+\])(:([1-9]\d{0,3}|[1-6]\d{4}))?|unix:/.+",
        allowed="a syslog server, such as udp://host:514, tcp://host:601 or unix:/dev/log",
    )
    variables = {"LOG_DIR": LOG_DIR, "SERVICE_NAME": SERVICE_NAME, "SYSLOG_ADDRESS": syslog_address}
    return load_logging(BASE_DIR / "logging.yaml", names, variables, Path(overrides) if overrides else None)
