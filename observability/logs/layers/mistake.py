"""One mistake in a logging configuration, the ids of the system checks that tell it, and what its hint says."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from observability.logs.layers.layer import Origin

UNKNOWN_NAME = "observability.E201"
UNKNOWN_LEVEL = "observability.E202"
UNKNOWN_CLASS = "observability.E203"
WRONG_ARGUMENT = "observability.E204"
WRONG_SHAPE = "observability.E205"
UNKNOWN_VARIABLE = "observability.E206"


class Mistake(NamedTuple):
    """What is wrong, where it is written, and what to do; as text one sentence after the other."""

    id: str
    origin: Origin
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.origin.place}: {self.message} {self.hint}"


def nearest(name: object, known: Iterable[object]) -> str:
    """The hint for a name that there is not: the one that was meant, most likely, or all there are."""
    names = [str(each) for each in known]
    close = get_close_matches(str(name), names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(names) or 'none'}."


def is_reference(value: object) -> bool:
    """Whether dictConfig takes the value from elsewhere, an object or another part of the configuration."""
    return isinstance(value, str) and value.startswith(("ext://", "cfg://"))
