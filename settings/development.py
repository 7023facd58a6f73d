"""The settings of a developer's machine: no variable is needed."""

from settings import environment
from settings.base import *
from settings.base import OBSERVABILITY, REST_FRAMEWORK, VAR_DIR, logging_layers
from settings.secret_key import machine_secret_key

DEBUG = True
SECRET_KEY = environment.environment.str("SECRET_KEY", default="") or machine_secret_key(VAR_DIR / "secret-key")
ALLOWED_HOSTS = environment.names("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"], allowed="host names")
INTERNAL_IPS = ["127.0.0.1", "::1"]
REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticatedOrReadOnly"],
}
LOGGING = logging_layers("development")
OBSERVABILITY = OBSERVABILITY | {"SERVER_TIMING": "everyone"}
ENVIRONMENT = "development"
