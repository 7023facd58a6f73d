"""Prepare the database of a development server: tables, books and a login."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections

from tests.probe.library import make_books, make_loan

BOOKS = 120


class Command(BaseCommand):
    requires_migrations_checks = False

    def handle(self, **_: Any) -> None:
        for alias in connections:
            call_command("migrate", database=alias, interactive=False, verbosity=0)
        for book in make_books(BOOKS):
            make_loan(book)
        get_user_model().objects.create_superuser("admin", password="admin")
