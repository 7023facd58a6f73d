"""Mark silent trucks as offline. Run it every minute with cron or a timer."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from service.models import Truck

SILENCE = timedelta(minutes=10)


class Command(BaseCommand):
    """Mark silent trucks with one UPDATE for the whole fleet."""

    help = "Set the status of all trucks to offline that have sent nothing for 10 minutes. Run it every minute."

    def handle(self, **_: Any) -> None:
        count = Truck.objects.mark_offline(silent_since=timezone.now() - SILENCE)
        self.stdout.write(f"Marked {count} {'truck' if count == 1 else 'trucks'} offline.")
