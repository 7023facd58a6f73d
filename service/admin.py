"""Django admin of the service's models."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from service.models import Manufacturer, TelemetryFrame, Truck, TruckModel, User
from service.search_limits import LimitedSearch

admin.site.site_header = admin.site.site_title = settings.SERVICE_NAME.capitalize()
admin.site.site_url = "/api/v1/trucks/"


@admin.register(User)
class LimitedUserAdmin(LimitedSearch, UserAdmin):
    """Django's admin of users."""


@admin.register(Manufacturer)
class ManufacturerAdmin(LimitedSearch, admin.ModelAdmin):
    search_fields = ("name",)


@admin.register(TruckModel)
class TruckModelAdmin(LimitedSearch, admin.ModelAdmin):
    list_display = ("name", "manufacturer", "battery_kwh", "range_km")
    list_filter = ("manufacturer",)
    list_select_related = ("manufacturer",)
    search_fields = ("name", "manufacturer__name")


@admin.register(Truck)
class TruckAdmin(LimitedSearch, admin.ModelAdmin):
    """Trucks. The fields that frames set are read-only, and a truck that has frames cannot be deleted here.

    The API deletes a truck with its frames. The admin would first list every frame on its confirmation page.
    """

    actions = None
    autocomplete_fields = ("truck_model",)
    list_display = ("vin", "truck_model", "status", "finance_type", "last_contact_at")
    list_filter = ("status", "finance_type", "truck_model__manufacturer")
    list_select_related = ("truck_model__manufacturer",)
    readonly_fields = ("status", "status_at", "last_contact_at", "created_at")
    search_fields = ("vin",)

    def get_readonly_fields(self, request: HttpRequest, obj: Truck | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), *(["vin"] if obj else [])]

    def has_delete_permission(self, request: HttpRequest, obj: Truck | None = None) -> bool:
        is_allowed = super().has_delete_permission(request, obj)
        return is_allowed and (obj is None or not obj.frames.exists())

    def save_model(self, request: HttpRequest, obj: Truck, form: "ModelForm[Truck]", change: bool) -> None:
        """Write only the changed columns: frames may have arrived since the page was opened."""
        if change:
            obj.save(update_fields=form.changed_data)
        else:
            super().save_model(request, obj, form, change)


@admin.register(TelemetryFrame)
class TelemetryFrameAdmin(LimitedSearch, admin.ModelAdmin):
    """The frames that trucks sent, read-only."""

    exclude = ("raw",)
    list_display = ("truck", "command", "recorded_at", "speed_kmh", "soc_percent", "alarm_level")
    list_filter = ("command",)
    list_select_related = ("truck",)
    search_fields = ("truck__vin__startswith", "digest__exact")
    # Counting all frames takes longer than reading one page of them.
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[TelemetryFrame]:
        """Return the frames without `raw`, by far the longest column; only the page of one frame reads it."""
        return super().get_queryset(request).defer("raw")

    def get_fields(self, request: HttpRequest, obj: TelemetryFrame | None = None) -> list[Any]:
        return [*super().get_fields(request, obj), "raw_bytes"]

    def get_readonly_fields(self, _request: HttpRequest, _obj: TelemetryFrame | None = None) -> list[str]:
        return ["raw_bytes"]

    @admin.display(description="raw")
    def raw_bytes(self, frame: TelemetryFrame) -> str:
        """Return the bytes as hexadecimal text."""
        return bytes(frame.raw).hex(" ")

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: TelemetryFrame | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: TelemetryFrame | None = None) -> bool:
        return False
