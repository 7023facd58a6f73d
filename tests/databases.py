"""Separate databases for the processes that tests start, on the server of DATABASE_URL.

They do not use Django's connections, because pytest-django blocks these for tests without a database fixture.
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
    """A database of one test; `vendor` is Django's name for its kind."""

    url: str
    vendor: str

    @property
    def path(self) -> Path:
        """Return the file of a SQLite database."""
        return Path(self.url.removeprefix("sqlite:///"))

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        with cursor(self.url) as executing:
            executing.execute(sql, parameters)
            return [tuple(row) for row in executing.fetchall()]

    def remove(self) -> None:
        """Remove the database, even if a process uses it."""
        if self.vendor == "sqlite":
            self.path.unlink()
            self.path.mkdir()
        else:
            drop(self.url)


@contextmanager
def own_database(directory: Path) -> Iterator[OwnDatabase]:
    """Create an empty database of the kind that the tests use, and drop it after the block. SQLite: in `directory`."""
    if connection.vendor == "sqlite":
        yield OwnDatabase(f"sqlite:///{directory / 'db.sqlite3'}", connection.vendor)
        return
    url = url_of_database(f"vitrine_process_{uuid4().hex[:12]}")
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
    """Return the SQL for the collation of the test database; empty if it has none."""
    name = connection.settings_dict["TEST"].get("COLLATION")
    return f"CHARACTER SET utf8mb4 COLLATE {name}" if name else ""


def url_of_database(name: str) -> str:
    """Return DATABASE_URL with another database name, which is the last part of its path."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return parts._replace(path=f"{parts.path.rpartition('/')[0]}/{name}").geturl()


def name_in(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def server_cursor() -> AbstractContextManager[Any]:
    """Return a cursor for creating and dropping databases."""
    # PostgreSQL always connects to a database; `postgres` always exists. MariaDB needs no database.
    return cursor(os.environ["DATABASE_URL"], NAME="postgres" if connection.vendor == "postgresql" else "")


@contextmanager
def cursor(url: str, **others: str) -> Iterator[Any]:
    """Open a cursor in the database of the URL, with autocommit; `others` replace settings of the connection."""
    wrapper = ConnectionHandler({"default": environ.Env.db_url_config(url) | others})["default"]
    wrapper.connection = wrapper.get_new_connection(wrapper.get_connection_params())
    with closing(wrapper.connection):
        # Django's stubs do not have this method, and it accepts no keyword argument.
        wrapper._set_autocommit(True)  # type: ignore[attr-defined]
        with closing(wrapper.create_cursor()) as executing:
            yield executing
