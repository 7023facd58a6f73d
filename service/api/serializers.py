"""Serializers of trucks."""

from typing import Any

from rest_framework import serializers

from service.models import TelemetryFrame, Truck, TruckModel


class TruckSerializer(serializers.ModelSerializer[Truck]):
    """A truck in a list, and the body of a POST that registers one."""

    model = serializers.CharField(source="truck_model.name", read_only=True, allow_null=True)
    manufacturer = serializers.CharField(source="truck_model.manufacturer.name", read_only=True, allow_null=True)
    truck_model = serializers.PrimaryKeyRelatedField(
        queryset=TruckModel.objects.select_related("manufacturer"), allow_null=True, required=False
    )

    class Meta:
        model = Truck
        fields: tuple[str, ...] = (
            "vin",
            "model",
            "manufacturer",
            "truck_model",
            "status",
            "status_at",
            "finance_type",
            "last_contact_at",
            "created_at",
        )
        read_only_fields: tuple[str, ...] = ("status_at", "last_contact_at", "created_at")


class TruckUpdateSerializer(TruckSerializer):
    """The body of a PATCH. VIN and status are read-only: the VIN identifies the truck, and frames set the status."""

    class Meta(TruckSerializer.Meta):
        read_only_fields: tuple[str, ...] = (*TruckSerializer.Meta.read_only_fields, "vin", "status")

    def update(self, instance: Truck, validated_data: dict[str, Any]) -> Truck:
        """Write only the changed columns: frames may have arrived since the truck was read."""
        for name, value in validated_data.items():
            setattr(instance, name, value)
        instance.save(update_fields=list(validated_data))
        return instance


class LatestFrameSerializer(serializers.ModelSerializer[TelemetryFrame]):
    """The values of the newest frame of a truck."""

    class Meta:
        model = TelemetryFrame
        fields: tuple[str, ...] = (
            "recorded_at",
            "received_at",
            "command",
            "vehicle_state",
            "charging_state",
            "speed_kmh",
            "mileage_km",
            "voltage_v",
            "current_a",
            "soc_percent",
            "longitude",
            "latitude",
            "alarm_level",
        )


class TruckDetailSerializer(TruckSerializer):
    """One truck with its newest frame."""

    latest_frame = serializers.SerializerMethodField()

    class Meta(TruckSerializer.Meta):
        fields: tuple[str, ...] = (*TruckSerializer.Meta.fields, "latest_frame")

    def get_latest_frame(self, truck: Truck) -> dict[str, Any] | None:
        """Return the frame with the newest recording time; None if the truck has no frame with a time."""
        frame = TelemetryFrame.objects.newest_of(truck)
        return None if frame is None else dict(LatestFrameSerializer(frame).data)
