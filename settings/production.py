"""Settings for production. The service does not start if a value is not safe."""

from django.core.checks.security.base import SECRET_KEY_INSECURE_PREFIX as PREFIX
from django.core.checks.security.base import SECRET_KEY_MIN_LENGTH as LENGTH
from django.core.checks.security.base import SECRET_KEY_MIN_UNIQUE_CHARACTERS as UNIQUE

from settings import environment
from settings.base import *
from settings.base import INSECURE_HTTP, MIDDLEWARE, TRUSTED_PROXY_COUNT, logging_layers

ENVIRONMENT = "production"

DEBUG = False
if environment.flag("DEBUG", default=False):
    raise environment.invalid("DEBUG", "true", "false. To debug, set DJANGO_SETTINGS_MODULE=settings.development")

SECRET_KEY = environment.secret(
    "SECRET_KEY",
    allowed=f"at least {LENGTH} random characters that do not start with {PREFIX}, such as the output of "
    "`python3 -c 'import secrets; print(secrets.token_urlsafe(50))'`",
    is_allowed=lambda key: len(key) >= LENGTH and len(set(key)) >= UNIQUE and not key.startswith(PREFIX),
)
ALLOWED_HOSTS = environment.names(
    "ALLOWED_HOSTS",
    # In Django, a leading dot stands for the domain and all its subdomains.
    pattern=r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\]",
    allowed="the host names of the service, such as api.example.com, separated by commas; no URL, and not '*'",
)

# HTTP requests are redirected to HTTPS, except health checks. settings/gunicorn.py does not allow INSECURE_HTTP if
# other machines could connect.
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not INSECURE_HTTP
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
HSTS_SECONDS = environment.number(
    "HSTS_SECONDS",
    int,
    default=3600,
    allowed="the number of seconds for which browsers use only HTTPS: a whole number, 1 or more",
    is_allowed=lambda seconds: seconds > 0,
)
SECURE_HSTS_SECONDS = 0 if INSECURE_HTTP else HSTS_SECONDS
# Both checks want settings for the whole domain, including other services on it. The owner of the domain decides that.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# The names of static files contain a hash of the content, so browsers may cache them without limit.
SECURITY = MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1
MIDDLEWARE = [*MIDDLEWARE[:SECURITY], "whitenoise.middleware.WhiteNoiseMiddleware", *MIDDLEWARE[SECURITY:]]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

LOGGING = logging_layers("production")
