"""A disk without space: the maximum file size of this process stands for it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def space_of(size_bytes: int) -> Iterator[None]:
    """Limit the size of files that this process writes. A write is cut at the limit, and the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
