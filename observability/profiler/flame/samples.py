"""The samples of a flame graph as plain data: small to keep, and nothing in it but names, places and times."""

import sysconfig
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from observability.conf import configuration
from observability.recorders.call_stack import relative_project_path

MAX_SAMPLES = 20_000

# How pyinstrument writes a frame: function, file and line, then attributes of which `c` is the class of `self`.
PART, ATTRIBUTE, CLASS = "\x00", "\x01", "c"

_package_root = Path(__file__).resolve().parents[3]


def samples_of(records: Iterable[tuple[Sequence[str], float]], recorder_file: str) -> dict[str, Any]:
    """`frames` (name, place, whether it is the project's own), `samples` (the frames of each stack by their number, the
    outermost first) and `weights_ms`, in the order of time; `left_out_ms` is what came after 20,000 different samples.

    `records` are pyinstrument's. What called `recorder_file` is left out; equal stacks in a row are one sample.
    """
    numbers: dict[tuple[str, str, bool], int] = {}
    samples: list[list[int]] = []
    weights_ms: list[float] = []
    left_out_ms = 0.0
    for stack, seconds in records:
        frames = [numbers.setdefault(_frame(each), len(numbers)) for each in _after(stack, recorder_file)]
        if samples and samples[-1] == frames and not left_out_ms:
            weights_ms[-1] += seconds * 1e3
        elif len(samples) < MAX_SAMPLES:
            samples.append(frames)
            weights_ms.append(seconds * 1e3)
        else:
            left_out_ms += seconds * 1e3
    return {
        "frames": list(numbers),
        "samples": samples,
        "weights_ms": [round(each, 3) for each in weights_ms],
        "left_out_ms": round(left_out_ms, 3),
    }


def _after(stack: Sequence[str], file: str) -> Sequence[str]:
    """The part of a stack that was called by a file; all of it where that is not on it."""
    for index in range(len(stack) - 1, -1, -1):
        if f"{PART}{file}{PART}" in stack[index]:
            return stack[index + 1 :]
    return stack


@lru_cache(maxsize=8192)
def _frame(written: str) -> tuple[str, str, bool]:
    identifier, *attributes = written.split(ATTRIBUTE)
    name, *place = identifier.split(PART)
    for attribute in attributes:
        if attribute.startswith(CLASS):
            name = f"{attribute.removeprefix(CLASS)}.{name}"
    if len(place) != 2 or place[0].startswith("<"):  # noqa: PLR2004 - file and line
        return name, "", False
    path = relative_project_path(place[0], configuration().code_root)
    return name, f"{path or _outside(place[0])}:{place[1]}", path is not None


def _outside(file: str) -> str:
    """The path of a file of somebody else, from the directory on where Python finds it."""
    for directory in ("/site-packages/", "/dist-packages/"):
        if directory in file:
            return file.rpartition(directory)[2]
    for root in (sysconfig.get_path("stdlib"), str(_package_root)):
        if file.startswith(f"{root}/"):
            return file.removeprefix(f"{root}/")
    return file
