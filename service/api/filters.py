"""What `?…` of a list may say."""

from collections.abc import Iterable, Sequence
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request
from rest_framework.views import APIView

from service.models import Truck


class SeparatedValues(forms.SelectMultiple):
    """Several values of one parameter: repeated, or separated by commas."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        """The values, in the order in which they were written."""
        written: Sequence[str] = super().value_from_datadict(data, files, name) or []
        return [value for part in written for value in part.split(",") if value]


class AnyOf(django_filters.Filter):
    """Keeps what has one of the chosen values; a value that is no choice is an error of the request."""

    field_class = forms.MultipleChoiceField

    def __init__(self, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__(lookup_expr="in", choices=choices, widget=SeparatedValues)


class TruckFilters(django_filters.FilterSet):
    """Trucks by status and by finance type."""

    status = AnyOf(Truck.Status.choices)
    finance_type = AnyOf(Truck.FinanceType.choices)

    class Meta:
        model = Truck
        fields = ("status", "finance_type")


class StrictOrdering(OrderingFilter):
    """`?ordering=-status,vin`: a field that the view does not offer is an error, and ties are settled by VIN.

    Without the second, pages of an ordering with ties could show a truck twice, or never.
    """

    def remove_invalid_fields(
        self, queryset: QuerySet[Any], fields: Iterable[str], view: APIView, request: Request
    ) -> list[str]:
        """All of them, and the VIN at last. Raises `ValidationError` for one that is not offered."""
        offered = [field for field, _ in self.get_valid_fields(queryset, view, {"request": request})]
        for field in fields:
            if field.removeprefix("-") not in offered:
                raise ValidationError({self.ordering_param: [f"{field} is none of {', '.join(offered)}."]})
        return [*fields, "vin"]
