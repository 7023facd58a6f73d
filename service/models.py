"""Models: users, the trucks of the fleet, and the telemetry frames that they send."""

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models

from service import gbt32960
from service.querysets import TelemetryFrameQuerySet, TruckQuerySet


class User(AbstractUser):
    """A login. Django recommends a custom user model from the first migration, because a later change is difficult."""


class Manufacturer(models.Model):
    """A manufacturer of trucks."""

    name = models.CharField(max_length=100, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TruckModel(models.Model):
    """A truck model of a manufacturer."""

    manufacturer = models.ForeignKey(Manufacturer, on_delete=models.PROTECT, related_name="truck_models")
    name = models.CharField(max_length=100)
    battery_kwh = models.PositiveSmallIntegerField("battery (kWh)", null=True, blank=True)
    range_km = models.PositiveSmallIntegerField("range (km)", null=True, blank=True)

    class Meta:
        ordering = ["manufacturer__name", "name"]
        constraints = [
            models.UniqueConstraint(fields=["manufacturer", "name"], name="service_truck_model_name"),
        ]

    def __str__(self) -> str:
        return f"{self.manufacturer} {self.name}"


class Truck(models.Model):
    """A truck of the fleet. It is created by a user, or by the first frame with its VIN; then it has no model.

    `status_at` is the recording time of the newest frame that set the status. `last_contact_at` is the time when the
    service last received a frame of the truck. `service.ingest` sets both and `status`; the command `mark_offline` sets
    `status` too.
    """

    class Status(models.TextChoices):
        """The running status."""

        ALERTING = "alerting"
        CHARGING = "charging"
        DRIVING = "driving"
        STOPPED = "stopped"
        OFFLINE = "offline"

    class FinanceType(models.TextChoices):
        """How the truck is financed."""

        PURCHASE = "purchase"
        LOAN = "loan"
        LEASE = "lease"
        RENTAL = "rental"

    vin = models.CharField(
        "VIN",
        max_length=17,
        unique=True,
        validators=[RegexValidator(rf"^{gbt32960.VIN_PATTERN}\Z", "A VIN has 17 characters of A-Z and 0-9.")],
    )
    truck_model = models.ForeignKey(
        TruckModel, on_delete=models.PROTECT, related_name="trucks", null=True, blank=True, verbose_name="model"
    )
    status = models.CharField(max_length=8, choices=Status, default=Status.OFFLINE)
    status_at = models.DateTimeField(null=True, blank=True)
    finance_type = models.CharField(max_length=8, choices=FinanceType, default=FinanceType.PURCHASE)
    last_contact_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TruckQuerySet.as_manager()

    class Meta:
        ordering = ["vin"]
        # For the filters and orderings of the list. The VIN decides if trucks are equal in the first field.
        indexes = [
            models.Index(fields=["status", "vin"], name="service_truck_status"),
            models.Index(fields=["finance_type", "vin"], name="service_truck_finance_type"),
            models.Index(fields=["last_contact_at", "vin"], name="service_truck_last_contact"),
            models.Index(fields=["created_at", "vin"], name="service_truck_created"),
        ]

    def __str__(self) -> str:
        return self.vin


class TelemetryFrame(models.Model):
    """A frame that a truck sent, and its decoded values. It is written once and never changed.

    The fields from `raw` on are those of `service.gbt32960.Frame`, which documents them; null means no value.
    """

    class Command(models.IntegerChoices):
        """The purpose of the frame. A frame may have other numbers, which have no name here."""

        LOGIN = gbt32960.LOGIN
        REALTIME = gbt32960.REALTIME
        REISSUED = gbt32960.REISSUED
        LOGOUT = gbt32960.LOGOUT
        CLOCK = gbt32960.CLOCK

    # The index `service_frame_newest` begins with the truck: a second index would only cost time.
    truck = models.ForeignKey(Truck, on_delete=models.CASCADE, related_name="frames", db_index=False)
    digest = models.CharField("SHA-256", max_length=64, unique=True)
    received_at = models.DateTimeField()
    raw = models.BinaryField()
    command = models.PositiveSmallIntegerField(choices=Command)
    response = models.PositiveSmallIntegerField()
    encryption = models.PositiveSmallIntegerField()
    recorded_at = models.DateTimeField(null=True)
    vehicle_state = models.PositiveSmallIntegerField(null=True)
    charging_state = models.PositiveSmallIntegerField(null=True)
    speed_kmh = models.FloatField("speed (km/h)", null=True)
    mileage_km = models.FloatField("mileage (km)", null=True)
    voltage_v = models.FloatField("voltage (V)", null=True)
    current_a = models.FloatField("current (A)", null=True)
    soc_percent = models.PositiveSmallIntegerField("state of charge (%)", null=True)
    longitude = models.FloatField(null=True)
    latitude = models.FloatField(null=True)
    alarm_level = models.PositiveSmallIntegerField(null=True)

    objects = TelemetryFrameQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["truck", "-recorded_at"], name="service_frame_newest")]

    def __str__(self) -> str:
        return self.digest
