"""DRF's browsable API, for those who ask for it by its name."""

from collections.abc import Iterable, Sequence

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings


class BrowsableByName(DefaultContentNegotiation):
    """Chooses the browsable API for `?format=api` alone, whatever a browser accepts.

    It runs queries of its own for its forms: a developer who profiles a call wants the call that programs make.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The renderer and its media type, of those that are left."""
        offered: Sequence[BaseRenderer] = list(renderers)
        asked = format_suffix or request.query_params.get(api_settings.URL_FORMAT_OVERRIDE or "format")
        if asked != BrowsableAPIRenderer.format:
            offered = [each for each in offered if not isinstance(each, BrowsableAPIRenderer)] or offered
        chosen: tuple[BaseRenderer, str] = super().select_renderer(request, offered, format_suffix)
        return chosen
