"""A management command for the tests of command observations."""

from typing import Any

from django.core.management.base import BaseCommand

from tests.probe.models import Book


class Command(BaseCommand):
    help = "Mark borrowed books as lost."

    def handle(self, **_: Any) -> None:
        Book.objects.filter(status=Book.Status.BORROWED).update(status=Book.Status.LOST)
