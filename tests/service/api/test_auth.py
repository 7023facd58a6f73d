"""/api/v1/auth/token/"""

from typing import Any

import pytest
from django.test import Client
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from service.models import User
from tests.service.conftest import ConstantQueries

ROOT = "/api/v1/"
TOKEN = "/api/v1/auth/token/"
LOGIN = {"username": "driver", "password": "a good password"}


def post_login(client: Client | APIClient, values: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    response = client.post(TOKEN, values, content_type="application/json")
    return response.status_code, response.json()


def test_correct_login_returns_the_token_of_the_user(user: User) -> None:
    assert post_login(Client(), LOGIN) == (200, {"token": Token.objects.get(user=user).key})


def test_second_login_returns_the_same_token(user: User) -> None:
    assert post_login(Client(), LOGIN) == post_login(Client(), LOGIN)


def test_token_authenticates_api_requests(user: User) -> None:
    _, answer = post_login(Client(), LOGIN)
    assert Client().get(ROOT, headers={"Authorization": f"Token {answer['token']}"}).status_code == 200


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({**LOGIN, "password": "a bad password"}, "non_field_errors"),
        ({**LOGIN, "username": "nobody"}, "non_field_errors"),
        ({**LOGIN, "username": "\0"}, "username"),
        ({"username": "driver"}, "password"),
        ({"password": "a good password"}, "username"),
    ],
)
def test_wrong_login_returns_400_and_names_the_field(values: dict[str, str], wrong: str, user: User) -> None:
    status, answer = post_login(Client(), values)
    assert (status, list(answer)) == (400, [wrong])


def test_inactive_user_gets_no_token(user: User) -> None:
    User.objects.update(is_active=False)
    assert post_login(Client(), LOGIN)[0] == 400


def test_unknown_token_returns_401(db: None) -> None:
    response = Client().get(ROOT, headers={"Authorization": "Token 0"})
    assert (response.status_code, response.json()) == (401, {"detail": "Invalid token."})


def test_login_query_count_does_not_depend_on_the_number_of_users(
    user: User, django_assert_constant_queries: ConstantQueries
) -> None:
    def add_users(count: int) -> None:
        User.objects.bulk_create([User(username=f"other {number}") for number in range(count)])

    django_assert_constant_queries(add_users, lambda: post_login(Client(), LOGIN))
