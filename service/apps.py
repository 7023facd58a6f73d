"""The app `service`."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from service.sqlite import lift_parameter_limit


class ServiceConfig(AppConfig):
    """Prepares each SQLite connection for large requests."""

    name = "service"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect to the signal that every new connection sends."""
        connection_created.connect(lift_parameter_limit, dispatch_uid="service.sqlite")
