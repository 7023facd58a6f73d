"""The WSGI application, for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.production")

application = get_wsgi_application()

# The application registry is ready now, which the import needs.
from service.request_limits import RequestOfWSGI  # noqa: E402

application.request_class = RequestOfWSGI
