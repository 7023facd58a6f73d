"""The Django app `service`."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_login_failed
from django.db.backends.signals import connection_created

from service.sqlite import set_parameter_limit


class ServiceConfig(AppConfig):
    """The app's configuration: the parameter limit of each SQLite connection, and the count of failed logins."""

    name = "service"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect to the signals that Django sends for each new connection and for each failed login."""
        # It imports the models, which are not ready when this module is imported.
        from service.login_limits import count_failure

        connection_created.connect(set_parameter_limit, dispatch_uid="service.sqlite")
        user_login_failed.connect(count_failure, dispatch_uid="service.login_limits")
