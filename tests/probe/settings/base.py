"""Settings of the probe for all environments: a project that uses the layer and reads a few variables."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ

from observability.logs.config import load_logging

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parents[3]
LOG_DIR = env.str("LOG_DIR", default="unused")
SERVICE_NAME = env.str("SERVICE_NAME", default="probe")
SECRET_KEY = "django-insecure-key-of-the-probe"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
DEBUG = False

ROOT_URLCONF = "tests.probe.urls"
WSGI_APPLICATION = "tests.probe.wsgi.application"

INSTALLED_APPS = [
    "observability",
    "observability.logs",
    "observability.log_analysis",
    "observability.sentry",
    "observability.budgets",
    "tests.probe",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
]
MIDDLEWARE = [
    "observability.middleware.ObservationMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
STATIC_URL = "static/"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "admin:login"

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}


def database(url: str) -> dict[str, Any]:
    """Return the entry of DATABASES for a URL, with the options for its kind of database."""
    entry: dict[str, Any] = environ.Env.db_url_config(url)
    kind = urlsplit(url).scheme
    if kind.startswith("sqlite"):
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"
        entry["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": pragmas}
    if kind.startswith("mysql"):
        import pymysql  # noqa: PLC0415 - only for this database

        pymysql.install_as_MySQLdb()
        modes = {"sql_mode": "TRADITIONAL", "isolation_level": "read committed"}
        entry |= {
            "OPTIONS": {"charset": "utf8mb4"} | modes,
            "TEST": {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_bin"},
        }
    return entry


DATABASES = {
    "default": database(env.str("DATABASE_URL", default="sqlite://:memory:")) | {"ATOMIC_REQUESTS": True},
}

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
    "TRUSTED_PROXY_COUNT": 0,
    "QUIET_PATHS": ["/livez", "/readyz"],
    "PROPAGATE_TO": [],
    "CODE_ROOT": str(BASE_DIR),
    "BUDGET_FILE": "tests/probe/query_budgets.json",
    "VAR_DIR": env.str("VAR_DIR", default="var"),
    "RELEASE": env.str("RELEASE", default=""),
}

ENVIRONMENT = "test"
RELEASE = OBSERVABILITY["RELEASE"]
SENTRY_DSN = env.str("SENTRY_DSN", default="")
SENTRY_SPOOL_DIR = env.str("SENTRY_SPOOL_DIR", default="")
SENTRY_TRACES_SAMPLE_RATE = env.float("SENTRY_TRACES_SAMPLE_RATE", default=0.0)
SENTRY_LOCALS = env.bool("SENTRY_LOCALS", default=False)

LOGGING_CONFIG = "observability.logs.config.configure"


def logging_layers(*default: str) -> dict[str, Any]:
    """Return the LOGGING dictionary of the layers in LOGGING_LAYERS, or of `default`, below LOGGING_OVERRIDES."""
    overrides = env.str("LOGGING_OVERRIDES", default="")
    variables = {
        "LOG_DIR": LOG_DIR,
        "SERVICE_NAME": SERVICE_NAME,
        "SYSLOG_ADDRESS": env.str("SYSLOG_ADDRESS", default="unix:/dev/log"),
    }
    layers = env.list("LOGGING_LAYERS", default=list(default))
    return load_logging(BASE_DIR / "logging.yaml", layers, variables, Path(overrides) if overrides else None)
