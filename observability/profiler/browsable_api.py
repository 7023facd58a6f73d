"""Content negotiation that selects DRF's browsable API only if a request names it explicitly."""

from collections.abc import Iterable, Sequence

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings


class ExplicitBrowsableAPINegotiation(DefaultContentNegotiation):
    """Select the browsable API only for `?format=api`, not by the media types that a browser accepts.

    The browsable API runs additional queries for its forms. A profile should show the request that programs send.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and its media type."""
        offered: Sequence[BaseRenderer] = list(renderers)
        requested_format = format_suffix or request.query_params.get(api_settings.URL_FORMAT_OVERRIDE or "format")
        if requested_format != BrowsableAPIRenderer.format:
            offered = [each for each in offered if not isinstance(each, BrowsableAPIRenderer)] or offered
        selected: tuple[BaseRenderer, str] = super().select_renderer(request, offered, format_suffix)
        return selected
