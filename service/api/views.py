"""The views of the API: they pass requests on to the functions and queries of the service."""

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
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from observability import note
from service.api.filters import StrictOrderingFilter, TruckFilterSet
from service.api.pagination import TruckPagination
from service.api.parsers import MAX_BODY_BYTES, BinaryFrameParser, JSONFrameParser, LengthRequired
from service.api.serializers import TruckDetailSerializer, TruckSerializer, TruckUpdateSerializer
from service.gbt32960 import VIN_PATTERN, Frame
from service.ingest import ingest_frames
from service.models import Truck
from service.search_limits import StrictSearchFilter

log = structlog.get_logger(__name__)


class TruckViewSet(
    mixins.ListModelMixin,
    mixins.CreateModelMixin,
    mixins.RetrieveModelMixin,
    mixins.UpdateModelMixin,
    mixins.DestroyModelMixin,
    GenericViewSet[Truck],
):
    """List, register, read, change and delete trucks. The VIN identifies a truck."""

    max_body_bytes = 128 * 1024
    queryset = Truck.objects.with_model()
    lookup_field = "vin"
    http_method_names = ("get", "head", "options", "post", "patch", "delete")
    filter_backends = (DjangoFilterBackend, StrictSearchFilter, StrictOrderingFilter)
    filterset_class = TruckFilterSet
    search_fields = ("vin",)
    ordering_fields = ("vin", "status", "last_contact_at", "created_at")
    pagination_class = TruckPagination

    def get_serializer_class(self) -> type[BaseSerializer[Truck]]:
        """Return the serializer of the action: one truck has its newest frame, and a PATCH cannot change the status."""
        if self.action == "retrieve":
            return TruckDetailSerializer
        return TruckUpdateSerializer if self.action == "partial_update" else TruckSerializer

    def get_object(self) -> Truck:
        """Return the truck. Raise 404 without a query if the VIN is not valid: PostgreSQL refuses a NUL character."""
        if not re.fullmatch(VIN_PATTERN, self.kwargs["vin"]):
            raise Http404
        return super().get_object()

    def perform_create(self, serializer: BaseSerializer[Truck]) -> None:
        """Store the truck and log its VIN."""
        log.info("truck_registered", vin=serializer.save().vin)

    def perform_destroy(self, instance: Truck) -> None:
        """Delete the truck with all its frames and log its VIN."""
        instance.delete()
        log.info("truck_deleted", vin=instance.vin)

    @action(detail=False, url_path="status-counts")
    def status_counts(self, _request: Request) -> Response:
        """Return the number of trucks per status, and the total."""
        counts = Truck.objects.status_counts()
        return Response({**counts, "total": sum(counts.values())})


# ingest_frames() opens its own transaction, which it repeats if the database reports a deadlock.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class TelemetryFrameView(APIView):
    """Up to 5,000 frames of GB/T 32960 per request: hexadecimal strings in JSON, or raw bytes one after another."""

    parser_classes = (JSONFrameParser, BinaryFrameParser)
    max_body_bytes = MAX_BODY_BYTES

    def post(self, request: Request) -> Response:
        """Store all frames or none: 201 if at least one frame is new, 200 if none is."""
        frames = cast("dict[str, list[Frame]]", request.data).get("frames")
        if not frames and "Transfer-Encoding" in request.headers:
            raise LengthRequired("The body was sent in chunks. Send it with a Content-Length header.")
        if not frames:
            raise ParseError("The body has no frames.")
        result = ingest_frames(frames=frames)
        counts = asdict(result)
        note(frames_received=result.received, frames_stored=result.stored)
        log.info("frames_ingested", **counts)
        return Response(counts, status.HTTP_201_CREATED if result.stored else status.HTTP_200_OK)
