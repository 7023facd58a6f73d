"""Pagination of lists."""

from rest_framework.pagination import PageNumberPagination


class TruckPagination(PageNumberPagination):
    """50 objects per page, or the number in `?page_size=`, at most 200."""

    page_size_query_param = "page_size"
    max_page_size = 200
