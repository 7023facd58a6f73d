"""Fixtures of the service's tests."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from observability.budgets.query_collector import CollectedQueries
from service.models import User

QueryBudget = Callable[..., AbstractContextManager[CollectedQueries]]
ConstantQueries = Callable[..., dict[int, CollectedQueries]]


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("driver", password="a good password")


@pytest.fixture
def client(user: User) -> APIClient:
    """Return an API client that sends a token; each request needs one query for the token and its user."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=user).key}")
    return client
