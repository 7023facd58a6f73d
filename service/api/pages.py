"""The pages of a list."""

from rest_framework.pagination import PageNumberPagination


class Pages(PageNumberPagination):
    """50 objects a page, or as many as `page_size` asks for, up to 200."""

    page_size_query_param = "page_size"
    max_page_size = 200
