"""The views: what HTTP asks, passed on to the service."""

import re
from dataclasses import asdict
from typing import cast

import structlog
from django.db import transaction
from django.http import Http404
from django.utils.decorators import method_decorator
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import ParseError
from rest_framework.filters import SearchFilter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from observability import note
from service.api.filters import StrictOrdering, TruckFilters
from service.api.pages import Pages
from service.api.parsers import BinaryFrames, JSONFrames, LengthRequired
from service.api.serializers import TruckChange, TruckDetail, TruckSummary
from service.gbt32960 import VIN_PATTERN, Frame
from service.ingest import ingest_frames
from service.models import Truck

log = structlog.get_logger(__name__)


class Trucks(
    mixins.ListModelMixin,
    mixins.CreateModelMixin,
    mixins.RetrieveModelMixin,
    mixins.UpdateModelMixin,
    mixins.DestroyModelMixin,
    GenericViewSet[Truck],
):
    """Trucks by VIN."""

    queryset = Truck.objects.with_model()
    lookup_field = "vin"
    http_method_names = ("get", "head", "options", "post", "patch", "delete")
    filter_backends = (DjangoFilterBackend, SearchFilter, StrictOrdering)
    filterset_class = TruckFilters
    search_fields = ("vin",)
    ordering_fields = ("vin", "status", "last_contact_at", "created_at")
    pagination_class = Pages

    def get_serializer_class(self) -> type[BaseSerializer[Truck]]:
        """One truck is shown with its newest frame; a change cannot touch what only frames change."""
        if self.action == "retrieve":
            return TruckDetail
        return TruckChange if self.action == "partial_update" else TruckSummary

    def get_object(self) -> Truck:
        """The truck; a VIN that cannot be one is not asked for (PostgreSQL refuses a NUL in it)."""
        if not re.fullmatch(VIN_PATTERN, self.kwargs["vin"]):
            raise Http404
        return super().get_object()

    def perform_create(self, serializer: BaseSerializer[Truck]) -> None:
        """Tell the log which truck is new."""
        log.info("truck_registered", vin=serializer.save().vin)

    def perform_destroy(self, instance: Truck) -> None:
        """Delete the truck with all its frames, and tell the log."""
        instance.delete()
        log.info("truck_deleted", vin=instance.vin)

    @action(detail=False, url_path="status-counts")
    def status_counts(self, _request: Request) -> Response:
        """How many trucks have each status, and how many there are."""
        counts = Truck.objects.status_counts()
        return Response({**counts, "total": sum(counts.values())})


# The ingestion has a transaction of its own, since it may have to begin it again.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class TelemetryFrames(APIView):
    """Frames of GB/T 32960, up to 5,000 in a request: as hexadecimal text in JSON, or their bytes one after another."""

    parser_classes = (JSONFrames, BinaryFrames)

    def post(self, request: Request) -> Response:
        """Store all of them or none; 201 when one was new, 200 when none was."""
        frames = cast("dict[str, list[Frame]]", request.data).get("frames")
        if not frames and "Transfer-Encoding" in request.headers:
            raise LengthRequired("The body came in chunks: send it with a Content-Length.")
        if not frames:
            raise ParseError("There are no frames in the body.")
        result = ingest_frames(frames=frames)
        counts = asdict(result)
        note(frames_received=result.received, frames_stored=result.stored)
        log.info("frames_ingested", **counts)
        return Response(counts, status.HTTP_201_CREATED if result.stored else status.HTTP_200_OK)
