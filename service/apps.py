"""The Django app `service`."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from service.sqlite import set_parameter_limit


class ServiceConfig(AppConfig):
    """The app's configuration. It raises the parameter limit of each SQLite connection."""

    name = "service"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect to the signal that Django sends for each new connection."""
        connection_created.connect(set_parameter_limit, dispatch_uid="service.sqlite")
