"""A limit of CPU time for tests of algorithms."""

import signal
from collections.abc import Iterator
from types import FrameType

import pytest


@pytest.fixture
def limited_cpu_time() -> Iterator[None]:
    """Fail the test after 20 s of CPU time. Other processes of the machine do not count."""

    def fail(_: int, __: FrameType | None) -> None:
        pytest.fail("used 20 s of CPU time")

    before = signal.signal(signal.SIGVTALRM, fail)
    signal.setitimer(signal.ITIMER_VIRTUAL, 20)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)
