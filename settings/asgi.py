"""The ASGI application, for servers such as uvicorn.

By default, uvicorn takes the address and the scheme of a request from X-Forwarded-For and X-Forwarded-Proto if its peer
is on this machine: every local user could choose them. TRUSTED_PROXY_COUNT alone decides, so this is off here, also
without `--no-proxy-headers`.
"""

import os
import sys
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.production")


async def pass_unchanged(middleware: Any, scope: Any, receive: Any, send: Any) -> None:
    """Call the application with the address and the scheme of the connection."""
    await middleware.app(scope, receive, send)


proxy_headers = sys.modules.get("uvicorn.middleware.proxy_headers")
if proxy_headers is not None:
    proxy_headers.ProxyHeadersMiddleware.__call__ = pass_unchanged

application = get_asgi_application()

# The application registry is ready now, which the import needs.
from service.request_limits import RequestOfASGI  # noqa: E402

application.request_class = RequestOfASGI
