"""The line of the project's own code that runs."""

import sys
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from observability.conf import configuration

_own_directory = Path(__file__).resolve().parent


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
        path = path_in_project(code.co_filename, configuration().code_root)
        if path is not None:
            return CallSite(path, frame.f_lineno, code.co_qualname)
        frame = frame.f_back
    return None


@lru_cache(maxsize=4096)
def path_in_project(filename: str, code_root: str) -> str | None:
    """A file of the project relative to the root of its code, or None for one of somebody else.

    The directory of the project may be reached by a link, and parts of it may be links to elsewhere: both count.
    """
    if not code_root or filename.startswith("<"):
        return None
    path, root = Path(filename), Path(code_root)
    resolved = path.resolve()
    if resolved.is_relative_to(_own_directory) or "site-packages" in path.parts + resolved.parts:
        return None
    pairs = ((path, root), (resolved, root.resolve()))
    return next((file.relative_to(top).as_posix() for file, top in pairs if file.is_relative_to(top)), None)
