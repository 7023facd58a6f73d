"""When a server that could not take an event is asked again."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """The times of a delivery, in seconds; the tests have shorter ones.

    first_pause_s, longest_pause_s: between two attempts at a server that is down; each is twice as long as the last.
    look_s: how often it is looked for what dead processes left, and for what is beyond the bounds.
    gather_s: between an event and its sending, so that the request that made it is done, and has the processor.
    start_pause_s: before that is done for the first time, so that short commands leave it to others.
    """

    first_pause_s: float = 0.5
    longest_pause_s: float = 60.0
    look_s: float = 10.0
    gather_s: float = 0.1
    start_pause_s: float = 1.0

    def pause_s(self, failures: int) -> float:
        """After so many failures in a row; by chance up to a fifth shorter: processes are not to come all at once."""
        pause: float = min(self.first_pause_s * 2 ** min(failures - 1, 30), self.longest_pause_s)
        return pause * float(random.uniform(0.8, 1))  # noqa: S311 - no secret
