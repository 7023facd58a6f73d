"""/api/v1/auth/token/"""

from typing import Any

import pytest
from django.test import Client
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from service.models import User
from tests.service.conftest import ConstantQueries

TOKEN = "/api/v1/auth/token/"
LOGIN = {"username": "driver", "password": "a good password"}


def ask(client: Client | APIClient, values: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    response = client.post(TOKEN, values, content_type="application/json")
    return response.status_code, response.json()


def test_login_is_answered_with_its_token(user: User) -> None:
    assert ask(Client(), LOGIN) == (200, {"token": Token.objects.get(user=user).key})


def test_token_stays_the_same(user: User) -> None:
    assert ask(Client(), LOGIN) == ask(Client(), LOGIN)


def test_token_opens_the_api(user: User) -> None:
    _, answer = ask(Client(), LOGIN)
    assert Client().get("/api/v1/trucks/", headers={"Authorization": f"Token {answer['token']}"}).status_code == 200


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
def test_wrong_login_is_an_error(values: dict[str, str], wrong: str, user: User) -> None:
    status, answer = ask(Client(), values)
    assert (status, list(answer)) == (400, [wrong])


def test_user_that_is_not_active_gets_no_token(user: User) -> None:
    User.objects.update(is_active=False)
    assert ask(Client(), LOGIN)[0] == 400


def test_wrong_token_is_refused(db: None) -> None:
    response = Client().get("/api/v1/trucks/", headers={"Authorization": "Token 0"})
    assert (response.status_code, response.json()) == (401, {"detail": "Invalid token."})


def test_token_needs_the_same_queries_for_any_number_of_users(
    user: User, django_assert_constant_queries: ConstantQueries
) -> None:
    def add_users(count: int) -> None:
        User.objects.bulk_create([User(username=f"other {number}") for number in range(count)])

    django_assert_constant_queries(add_users, lambda: ask(Client(), LOGIN))
