"""The settings of production: what is not safe is refused at the start."""

from django.core.checks.security.base import SECRET_KEY_INSECURE_PREFIX as PREFIX
from django.core.checks.security.base import SECRET_KEY_MIN_LENGTH as LENGTH
from django.core.checks.security.base import SECRET_KEY_MIN_UNIQUE_CHARACTERS as UNIQUE

from settings import environment
from settings.base import *
from settings.base import INSECURE_HTTP, MIDDLEWARE, TRUSTED_PROXY_COUNT, logging_layers

ENVIRONMENT = "production"

DEBUG = False
if environment.flag("DEBUG", default=False):
    raise environment.refused("DEBUG", "true", "production never runs with DEBUG; use settings.development for it")

SECRET_KEY = environment.secret(
    "SECRET_KEY",
    allowed=f"{LENGTH} characters or more, at random, not the key of a developer's machine ({PREFIX}…)",
    is_allowed=lambda key: len(key) >= LENGTH and len(set(key)) >= UNIQUE and not key.startswith(PREFIX),
)
ALLOWED_HOSTS = environment.names(
    "ALLOWED_HOSTS",
    # A leading dot stands for all names below it, as Django has it.
    pattern=r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\]",
    allowed="the host names that it serves, separated by commas; not a URL, and not * for every name",
)

# HTTP requests are redirected to HTTPS, except health checks. settings/gunicorn.py refuses INSECURE_HTTP if other
# machines could connect.
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not INSECURE_HTTP
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
HSTS_SECONDS = environment.number(
    "HSTS_SECONDS",
    int,
    default=3600,
    allowed="the seconds for which browsers come by HTTPS only, from 1",
    is_allowed=lambda seconds: seconds > 0,
)
SECURE_HSTS_SECONDS = 0 if INSECURE_HTTP else HSTS_SECONDS
# Both bind the whole domain, other services on it too: its owner's decision, not a template's.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# Static files: names with a hash of the content, kept by browsers for good.
SECURITY = MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1
MIDDLEWARE = [*MIDDLEWARE[:SECURITY], "whitenoise.middleware.WhiteNoiseMiddleware", *MIDDLEWARE[SECURITY:]]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

LOGGING = logging_layers("production")
