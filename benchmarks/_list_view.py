"""A DRF list with an N+1: one query for the list and one for each of its 20 rows."""

from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.permissions import AllowAny

from tests.probe.models import Author, Publisher

ROWS = 20


class Row(serializers.ModelSerializer[Author]):
    publisher = serializers.CharField(source="publisher.name")

    class Meta:
        model = Author
        fields = ("id", "name", "publisher")


class Authors(ListAPIView[Author]):
    """All authors without pagination; the publisher of each author is a separate query."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    pagination_class = None
    filter_backends = ()
    serializer_class = Row
    queryset = Author.objects.order_by("id")


def fill() -> None:
    """Create the rows."""
    for number in range(ROWS):
        Author.objects.create(name=f"Author {number}", publisher=Publisher.objects.create(name=f"Publisher {number}"))
