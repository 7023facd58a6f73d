"""A list of DRF that asks for one row in each of its rows: 21 queries."""

from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.permissions import AllowAny

from service.models import Manufacturer, TruckModel

ROWS = 20


class Row(serializers.ModelSerializer[TruckModel]):
    manufacturer = serializers.CharField(source="manufacturer.name")

    class Meta:
        model = TruckModel
        fields = ("id", "name", "manufacturer")


class TruckModels(ListAPIView[TruckModel]):
    """All models, without pages: a query for the list and one for the manufacturer of each row."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    pagination_class = None
    filter_backends = ()
    serializer_class = Row
    queryset = TruckModel.objects.order_by("id")


def fill() -> None:
    """Make the rows."""
    for number in range(ROWS):
        TruckModel.objects.create(name=f"Model {number}", manufacturer=Manufacturer.objects.create(name=f"M{number}"))
