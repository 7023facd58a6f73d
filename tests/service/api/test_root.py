"""/api/v1/"""

from django.test import Client
from rest_framework.test import APIClient

from tests.service.conftest import ConstantQueries
from tests.service.fleet import make_trucks

ROOT = "/api/v1/"


def test_root_lists_the_addresses_of_the_api(client: APIClient) -> None:
    assert client.get(ROOT).json()["trucks"] == "http://testserver/api/v1/trucks/"


def test_nobody_reads_without_a_login(db: None) -> None:
    assert Client().get(ROOT).status_code == 401


def test_root_needs_the_same_queries_for_any_number_of_trucks(
    client: APIClient, django_assert_constant_queries: ConstantQueries
) -> None:
    django_assert_constant_queries(make_trucks, lambda: client.get(ROOT))
