"""All tables of the service, its own user model among them."""

import django.contrib.auth.models
import django.contrib.auth.validators
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="Manufacturer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                ("first_name", models.CharField(blank=True, max_length=150, verbose_name="first name")),
                ("last_name", models.CharField(blank=True, max_length=150, verbose_name="last name")),
                ("email", models.EmailField(blank=True, max_length=254, verbose_name="email address")),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                ("date_joined", models.DateTimeField(default=django.utils.timezone.now, verbose_name="date joined")),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "abstract": False,
            },
            managers=[
                ("objects", django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name="TruckModel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("battery_kwh", models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="battery (kWh)")),
                ("range_km", models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="range (km)")),
                (
                    "manufacturer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="truck_models",
                        to="service.manufacturer",
                    ),
                ),
            ],
            options={
                "ordering": ["manufacturer__name", "name"],
            },
        ),
        migrations.CreateModel(
            name="Truck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "vin",
                    models.CharField(
                        max_length=17,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z0-9]{17}\\Z", "A VIN has 17 characters of A-Z and 0-9."
                            )
                        ],
                        verbose_name="VIN",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("alerting", "Alerting"),
                            ("charging", "Charging"),
                            ("driving", "Driving"),
                            ("stopped", "Stopped"),
                            ("offline", "Offline"),
                        ],
                        default="offline",
                        max_length=8,
                    ),
                ),
                ("status_at", models.DateTimeField(blank=True, null=True)),
                (
                    "finance_type",
                    models.CharField(
                        choices=[("purchase", "Purchase"), ("loan", "Loan"), ("lease", "Lease"), ("rental", "Rental")],
                        default="purchase",
                        max_length=8,
                    ),
                ),
                ("last_contact_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "truck_model",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trucks",
                        to="service.truckmodel",
                        verbose_name="model",
                    ),
                ),
            ],
            options={
                "ordering": ["vin"],
            },
        ),
        migrations.CreateModel(
            name="TelemetryFrame",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True, verbose_name="SHA-256")),
                ("received_at", models.DateTimeField()),
                ("raw", models.BinaryField()),
                (
                    "command",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "Login"), (2, "Realtime"), (3, "Reissued"), (4, "Logout"), (8, "Clock")]
                    ),
                ),
                ("response", models.PositiveSmallIntegerField()),
                ("encryption", models.PositiveSmallIntegerField()),
                ("recorded_at", models.DateTimeField(null=True)),
                ("vehicle_state", models.PositiveSmallIntegerField(null=True)),
                ("charging_state", models.PositiveSmallIntegerField(null=True)),
                ("speed_kmh", models.FloatField(null=True, verbose_name="speed (km/h)")),
                ("mileage_km", models.FloatField(null=True, verbose_name="mileage (km)")),
                ("voltage_v", models.FloatField(null=True, verbose_name="voltage (V)")),
                ("current_a", models.FloatField(null=True, verbose_name="current (A)")),
                ("soc_percent", models.PositiveSmallIntegerField(null=True, verbose_name="state of charge (%)")),
                ("longitude", models.FloatField(null=True)),
                ("latitude", models.FloatField(null=True)),
                ("alarm_level", models.PositiveSmallIntegerField(null=True)),
                (
                    "truck",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="frames",
                        to="service.truck",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["truck", "-recorded_at"], name="service_frame_newest")],
            },
        ),
        migrations.AddConstraint(
            model_name="truckmodel",
            constraint=models.UniqueConstraint(fields=("manufacturer", "name"), name="service_truck_model_name"),
        ),
        migrations.AddIndex(
            model_name="truck",
            index=models.Index(fields=["status", "vin"], name="service_truck_status"),
        ),
        migrations.AddIndex(
            model_name="truck",
            index=models.Index(fields=["finance_type", "vin"], name="service_truck_finance_type"),
        ),
        migrations.AddIndex(
            model_name="truck",
            index=models.Index(fields=["last_contact_at", "vin"], name="service_truck_last_contact"),
        ),
        migrations.AddIndex(
            model_name="truck",
            index=models.Index(fields=["created_at", "vin"], name="service_truck_created"),
        ),
    ]
