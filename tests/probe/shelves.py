"""A list with an N+1: it reads the author of each book with a separate query. `?fixed` selects the fixed version."""

import structlog
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from tests.probe.api import Pagination
from tests.probe.models import Book, BookQuerySet

log = structlog.get_logger("probe")


class ShelfSerializer(serializers.ModelSerializer[Book]):
    author = serializers.CharField(source="author.name", allow_null=True)

    class Meta:
        model = Book
        fields = ("isbn", "author")


class Shelves(ListAPIView[Book]):
    permission_classes = (AllowAny,)
    serializer_class = ShelfSerializer
    pagination_class = Pagination
    queryset = Book.objects.order_by("isbn")

    def get_queryset(self) -> BookQuerySet:
        books = super().get_queryset()
        assert isinstance(books, BookQuerySet)
        return books.select_related("author") if "fixed" in self.request.GET else books

    def list(self, request: Request) -> Response:
        response = super().list(request)
        log.info("books_listed", books=len(response.data["results"]), token="hunter2")
        return response
