"""Databases of their own for the processes that tests start, on the server that DATABASE_URL names.

They are reached without Django's connections, which pytest-django keeps from tests that did not ask for the database.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import environ
from django.db import connection
from django.db.utils import ConnectionHandler


@dataclass(frozen=True)
class OwnDatabase:
    """A database that one test made; `vendor` is Django's name of its kind."""

    url: str
    vendor: str

    @property
    def path(self) -> Path:
        """The file, of a SQLite database."""
        return Path(self.url.removeprefix("sqlite:///"))

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What a SELECT returns."""
        with cursor(self.url) as executing:
            executing.execute(sql, parameters)
            return [tuple(row) for row in executing.fetchall()]

    def take_away(self) -> None:
        """Remove the database, whoever uses it."""
        if self.vendor == "sqlite":
            self.path.unlink()
            self.path.mkdir()
        else:
            drop(self.url)


@contextmanager
def own_database(directory: Path) -> Iterator[OwnDatabase]:
    """An empty database, of the kind that the tests run on, until the block ends; SQLite's file is in the directory."""
    if connection.vendor == "sqlite":
        yield OwnDatabase(f"sqlite:///{directory / 'db.sqlite3'}", connection.vendor)
        return
    url = named(f"vitrine_process_{uuid4().hex[:12]}")
    with server_cursor() as executing:
        executing.execute(f"CREATE DATABASE {name_in(url)} {collation()}")
    try:
        yield OwnDatabase(url, connection.vendor)
    finally:
        drop(url)


def drop(url: str) -> None:
    force = " WITH (FORCE)" if connection.vendor == "postgresql" else ""
    with server_cursor() as executing:
        executing.execute(f"DROP DATABASE IF EXISTS {name_in(url)}{force}")


def collation() -> str:
    """The collation of the test database, where it has one."""
    name = connection.settings_dict["TEST"].get("COLLATION")
    return f"CHARACTER SET utf8mb4 COLLATE {name}" if name else ""


def named(name: str) -> str:
    """DATABASE_URL with another name of the database, the last part of its path."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return parts._replace(path=f"{parts.path.rpartition('/')[0]}/{name}").geturl()


def name_in(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def server_cursor() -> AbstractContextManager[Any]:
    """A cursor in no database of its own, to make and drop others."""
    # PostgreSQL needs a database to connect to, and has this one; MariaDB needs none.
    return cursor(os.environ["DATABASE_URL"], NAME="postgres" if connection.vendor == "postgresql" else "")


@contextmanager
def cursor(url: str, **others: str) -> Iterator[Any]:
    """A cursor that commits each statement, in the database of the URL, with other settings where they are given."""
    wrapper = ConnectionHandler({"default": environ.Env.db_url_config(url) | others})["default"]
    wrapper.connection = wrapper.get_new_connection(wrapper.get_connection_params())
    with closing(wrapper.connection):
        # Django's stubs leave it out, and it takes no keyword.
        wrapper._set_autocommit(True)  # type: ignore[attr-defined]
        with closing(wrapper.create_cursor()) as executing:
            yield executing
