"""A list that asks for the model of each truck anew, and the same list as it is after the remedy: `?fixed`."""

import structlog
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from service.models import Truck
from service.querysets import TruckQuerySet

log = structlog.get_logger("probe")


class Summary(serializers.ModelSerializer[Truck]):
    model = serializers.CharField(source="truck_model.name", allow_null=True)

    class Meta:
        model = Truck
        fields = ("vin", "model")


class Fleet(ListAPIView[Truck]):
    permission_classes = (AllowAny,)
    serializer_class = Summary
    queryset = Truck.objects.order_by("vin")

    def get_queryset(self) -> TruckQuerySet:
        trucks = super().get_queryset()
        assert isinstance(trucks, TruckQuerySet)
        return trucks.select_related("truck_model") if "fixed" in self.request.GET else trucks

    def list(self, request: Request) -> Response:
        response = super().list(request)
        log.info("fleet_listed", trucks=len(response.data["results"]), token="hunter2")
        return response
