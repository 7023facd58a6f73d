"""The ASGI application, for servers such as uvicorn."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.production")

application = get_asgi_application()

# The application registry is ready now, which the import needs.
from service.request_limits import RequestOfASGI  # noqa: E402

application.request_class = RequestOfASGI
