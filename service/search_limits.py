"""Limits of searches: each word makes the query larger, and SQLite refuses a query of a thousand."""

from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework.exceptions import ValidationError
from rest_framework.filters import SearchFilter
from rest_framework.request import Request

MAX_SEARCH_TERMS = 20
PROBLEM = "The search has {} words. At most {} are allowed."


class StrictSearchFilter(SearchFilter):
    """Search for at most 20 words in the API."""

    def get_search_terms(self, request: Request) -> list[str]:
        """Return the words. Raise `ValidationError` if there are too many."""
        terms = list(super().get_search_terms(request))
        if len(terms) > MAX_SEARCH_TERMS:
            raise ValidationError({str(self.search_param): [PROBLEM.format(len(terms), MAX_SEARCH_TERMS)]})
        return terms


class LimitedSearch:
    """Search for at most 20 words in the admin. A mixin for a `ModelAdmin`."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that have all words, and whether they can repeat."""
        count = len(search_term.split())
        if count > MAX_SEARCH_TERMS:
            raise BadRequest(PROBLEM.format(count, MAX_SEARCH_TERMS))
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)  # type: ignore[misc]
        return found
