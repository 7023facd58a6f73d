"""The line of the project's own code that runs."""

import os
import sys
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from observability.conf import configuration

_own_directory = f"{Path(__file__).resolve().parent}{os.sep}"


class CallSite(NamedTuple):
    """A place in the project's code; `path` is relative to the root of the code."""

    path: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.function}"


def call_site() -> CallSite | None:
    """The innermost frame of the project's code on the stack of this thread, or None where there is none.

    The project's code lies under OBSERVABILITY["CODE_ROOT"]; this package, and packages installed below the root
    (site-packages), are no part of it.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe() says the same, slower
    while frame is not None:
        code = frame.f_code
        path = _project_path(code.co_filename, configuration().code_root)
        if path is not None:
            return CallSite(path, frame.f_lineno, code.co_qualname)
        frame = frame.f_back
    return None


@lru_cache(maxsize=4096)
def _project_path(filename: str, code_root: str) -> str | None:
    if not code_root or filename.startswith(("<", _own_directory)):
        return None
    path = Path(filename)
    if "site-packages" in path.parts or not path.is_relative_to(code_root):
        return None
    return str(path.relative_to(code_root))
