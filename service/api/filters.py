"""Filters and ordering of lists: the query parameters that a list accepts."""

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


class SeparatedValuesWidget(forms.SelectMultiple):
    """Read several values of one query parameter: repeated, separated by commas, or both."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        """Return the values in the order of the query string."""
        written: Sequence[str] = super().value_from_datadict(data, files, name) or []
        return [value for part in written for value in part.split(",") if value]


class AnyOfFilter(django_filters.Filter):
    """Keep objects that have one of the given values; the response is 400 if a value is not a valid choice."""

    field_class = forms.MultipleChoiceField

    def __init__(self, choices: Sequence[tuple[str, str]]) -> None:
        allowed = ", ".join(value for value, _ in choices)
        messages = {"invalid_choice": f"'%(value)s' is not a valid choice. Allowed: {allowed}."}
        super().__init__(lookup_expr="in", choices=choices, widget=SeparatedValuesWidget, error_messages=messages)


class TruckFilterSet(django_filters.FilterSet):
    """Trucks by status and by finance type."""

    status = AnyOfFilter(Truck.Status.choices)
    finance_type = AnyOfFilter(Truck.FinanceType.choices)

    class Meta:
        model = Truck
        fields = ("status", "finance_type")


class StrictOrderingFilter(OrderingFilter):
    """Order by `?ordering=-status,vin`, and by VIN if trucks are equal in these fields.

    Without the VIN, a truck whose values equal those of other trucks could be on two pages, or on none. The response is
    400 if the view does not list a field in `ordering_fields`.
    """

    def remove_invalid_fields(
        self, queryset: QuerySet[Any], fields: Iterable[str], view: APIView, request: Request
    ) -> list[str]:
        """Return the fields, followed by the VIN.

        Raise `ValidationError` if a field is not in `ordering_fields`, or if one is there twice.
        """
        fields = list(fields)
        allowed = [field for field, _ in self.get_valid_fields(queryset, view, {"request": request})]
        for field in fields:
            if field.removeprefix("-") not in allowed:
                message = f"Cannot order by {field!r}. Allowed: {', '.join(allowed)}; each also with a leading '-'."
                raise ValidationError({self.ordering_param: [message]})
        names = [field.removeprefix("-") for field in fields]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise ValidationError({self.ordering_param: [f"Cannot order by {repeated!r} twice."]})
        return [*fields, "vin"]
