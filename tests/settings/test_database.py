"""DATABASES from DATABASE_URL. The tests need no database driver."""

import sys
from importlib.machinery import ModuleSpec
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from settings import database
from tests.server import ROOT

POSTGRESQL = "postgresql://me:pass%40word@db.example.com:6432/books"
MYSQL = "mysql://me:pass%40word@db.example.com/books"


@pytest.fixture(autouse=True)
def drivers(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the set of drivers that appear to be installed; a test may remove some."""
    installed = {"psycopg", "psycopg_pool", "MySQLdb"}
    monkeypatch.setattr(database, "find_spec", lambda name: ModuleSpec(name, None) if name in installed else None)
    return installed


def entry(monkeypatch: pytest.MonkeyPatch, url: str, **variables: str) -> dict[str, Any]:
    for name, value in {"DATABASE_URL": url, **variables}.items():
        monkeypatch.setenv(name, value)
    default: dict[str, Any] = database.databases(default_url="sqlite://:memory:")["default"]
    return default


@pytest.mark.parametrize(("url", "port"), [(POSTGRESQL, 6432), (MYSQL, "")])
def test_url_sets_name_user_password_host_and_port(url: str, port: object, monkeypatch: pytest.MonkeyPatch) -> None:
    found = entry(monkeypatch, url)
    assert {key: found[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")} == {
        "NAME": "books", "USER": "me", "PASSWORD": "pass@word", "HOST": "db.example.com", "PORT": port,
    }  # fmt: skip


@pytest.mark.parametrize("url", ["sqlite://:memory:", POSTGRESQL, MYSQL])
def test_each_request_runs_in_a_transaction(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert entry(monkeypatch, url)["ATOMIC_REQUESTS"] is True


def test_options_in_the_url_override_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert entry(monkeypatch, f"{POSTGRESQL}?sslmode=verify-full")["OPTIONS"]["sslmode"] == "verify-full"
    options = entry(monkeypatch, f"{MYSQL}?isolation_level=serializable")["OPTIONS"]
    assert (options["isolation_level"], options["charset"]) == ("serializable", "utf8mb4")


def test_postgresql_pool_has_the_size_of_database_pool_size(monkeypatch: pytest.MonkeyPatch) -> None:
    assert entry(monkeypatch, POSTGRESQL, DATABASE_POOL_SIZE="5")["OPTIONS"]["pool"]["max_size"] == 5


@pytest.mark.parametrize(
    ("url", "size"), [(POSTGRESQL, "0"), (f"{POSTGRESQL}?conn_max_age=60", "5"), (MYSQL, "5")]
)  # fmt: skip
def test_no_pool_with_size_0_persistent_connections_or_mysql(
    url: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "pool" not in entry(monkeypatch, url, DATABASE_POOL_SIZE=size)["OPTIONS"]


def test_no_pool_if_is_pooled_is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", POSTGRESQL)
    unpooled = database.databases(default_url="sqlite://:memory:", is_pooled=False)["default"]
    assert "pool" not in unpooled["OPTIONS"]


@pytest.mark.parametrize(
    ("url", "missing", "requirements"),
    [
        (POSTGRESQL, "psycopg", "requirements-postgresql.txt"),
        (POSTGRESQL, "psycopg_pool", "requirements-postgresql.txt"),
        (MYSQL, "MySQLdb", "requirements-mysql.txt"),
    ],
)
def test_missing_driver_error_has_the_command_that_installs_it(
    url: str, missing: str, requirements: str, drivers: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drivers.remove(missing)
    monkeypatch.setattr(sys, "prefix", str(ROOT / ".venv"))
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as raised:
        entry(monkeypatch, url)
    assert f"`python3 bin/environment.py {requirements}` in {ROOT}." in str(raised.value)
    assert (ROOT / requirements).is_file()


def test_missing_driver_error_names_pip_of_an_interpreter_outside_the_repository(
    drivers: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drivers.clear()
    monkeypatch.setattr(sys, "prefix", "/usr")
    with pytest.raises(ImproperlyConfigured, match=r"-m pip install -r requirements-mysql\.txt"):
        entry(monkeypatch, MYSQL)


@pytest.mark.parametrize("kind", ["oracle", "mongodb"])
def test_unsupported_database_is_refused_without_showing_the_url(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL has an invalid value") as raised:
        entry(monkeypatch, f"{kind}://me:hunter2@host/name")
    assert "hunter2" not in str(raised.value)


def test_negative_pool_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_POOL_SIZE is '-1'"):
        entry(monkeypatch, POSTGRESQL, DATABASE_POOL_SIZE="-1")
