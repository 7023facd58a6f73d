"""/api/v1/"""

from django.test import Client
from rest_framework.test import APIClient

from tests.service.conftest import ConstantQueries
from tests.service.fleet import make_trucks

ROOT = "/api/v1/"


def test_root_lists_the_urls_of_the_api(client: APIClient) -> None:
    assert client.get(ROOT).json()["trucks"] == "http://testserver/api/v1/trucks/"


def test_get_without_login_returns_401(db: None) -> None:
    assert Client().get(ROOT).status_code == 401


def test_root_query_count_does_not_depend_on_the_number_of_trucks(
    client: APIClient, django_assert_constant_queries: ConstantQueries
) -> None:
    django_assert_constant_queries(make_trucks, lambda: client.get(ROOT))
