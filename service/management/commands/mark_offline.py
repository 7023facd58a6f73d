"""Mark silent trucks as offline; run it every minute, by cron or a timer."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from service.models import Truck

SILENCE = timedelta(minutes=10)


class Command(BaseCommand):
    """One UPDATE, whatever the size of the fleet."""

    help = "Gives the status offline to all trucks from which nothing was received for ten minutes."

    def handle(self, **_: Any) -> None:
        count = Truck.objects.mark_offline(silent_since=timezone.now() - SILENCE)
        self.stdout.write(f"Marked {count} {'truck' if count == 1 else 'trucks'} offline.")
