"""/api/v1/"""

from django.test import Client
from rest_framework.test import APIClient

from service.models import User
from tests.service.conftest import ConstantQueries

ROOT = "/api/v1/"


def test_root_lists_the_urls_of_the_api(client: APIClient) -> None:
    urls = client.get(ROOT).json().values()
    assert [url for url in urls if not url.startswith(f"http://testserver{ROOT}")] == []
    assert {url: client.get(url).status_code for url in urls} == dict.fromkeys(urls, 200)


def test_get_without_login_returns_401(db: None) -> None:
    assert Client().get(ROOT).status_code == 401


def test_root_query_count_does_not_depend_on_the_number_of_rows(
    client: APIClient, django_assert_constant_queries: ConstantQueries
) -> None:
    def add_users(count: int) -> None:
        User.objects.bulk_create([User(username=f"user {number}") for number in range(count)])

    django_assert_constant_queries(add_users, lambda: client.get(ROOT))
