"""The routes of the probe project. Their budgets are in tests/probe/query_budgets.json."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework.test import APIClient

from tests.probe.library import make_books, make_publishers


@pytest.mark.parametrize("path", ["books/", "books/status-counts/", "publishers/"])
def test_list_runs_a_constant_number_of_queries(
    path: str, admin_user: AbstractBaseUser, django_assert_constant_queries: Callable[..., Any]
) -> None:
    client = APIClient()
    client.force_authenticate(admin_user)

    def populate(rows: int) -> None:
        make_books(rows)
        make_publishers(rows)

    django_assert_constant_queries(populate, lambda: client.get(f"/api/v1/{path}"))
