"""The API of the library."""

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_safe
from rest_framework import mixins
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.decorators import action
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from tests.probe.models import Book, Publisher
from tests.probe.serializers import BookDetailSerializer, BookSerializer, PublisherSerializer

log = structlog.get_logger("probe")


class Pagination(PageNumberPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200


class BookViewSet(
    mixins.ListModelMixin, mixins.CreateModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin,
    GenericViewSet[Book],
):  # fmt: skip
    queryset = Book.objects.with_author()
    lookup_field = "isbn"
    pagination_class = Pagination

    def get_serializer_class(self) -> type[BaseSerializer[Book]]:
        return BookDetailSerializer if self.action == "retrieve" else BookSerializer

    def perform_create(self, serializer: BaseSerializer[Book]) -> None:
        log.info("book_added", isbn=serializer.save().isbn)

    @action(detail=False, url_path="status-counts")
    def status_counts(self, _request: Request) -> Response:
        counts = Book.objects.status_counts()
        return Response({**counts, "total": sum(counts.values())})


class PublisherViewSet(mixins.ListModelMixin, GenericViewSet[Publisher]):
    queryset = Publisher.objects.prefetch_related("authors")
    serializer_class = PublisherSerializer


@require_safe
def livez(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


urlpatterns = [
    path("auth/token/", obtain_auth_token),
    path("books/", BookViewSet.as_view({"get": "list", "post": "create"})),
    path("books/status-counts/", BookViewSet.as_view({"get": "status_counts"})),
    path("books/<isbn>/", BookViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("publishers/", PublisherViewSet.as_view({"get": "list"})),
]
