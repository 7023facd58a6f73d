"""Fixtures of all tests."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from observability.testing import query_count


@pytest.fixture
def assert_query_count() -> Callable[[int], AbstractContextManager[None]]:
    """Give the context manager that fails unless its block runs so many queries, and names those that it ran."""
    return query_count
