"""The call stack of this thread: the frames that explain a query, and the line of the project's own code that runs."""

import sys
from functools import cache, lru_cache
from pathlib import Path
from types import FrameType
from typing import Literal, NamedTuple

from observability.conf import configuration

MAX_FRAMES = 150

# The methods in which a serializer field reads or validates a value.
FIELD_FUNCTIONS = frozenset({"to_representation", "get_attribute", "run_validation", "to_internal_value"})


SourceKind = Literal["project", "field", "relation", "compiler", "view", "thread", "end"]


class FrameSource(NamedTuple):
    """What a file on the stack says about a query, in these functions (None: all). `path` is relative to the project.

    The search ends at a frame with `is_last`.
    """

    kind: SourceKind
    functions: frozenset[str] | None = frozenset()
    path: str = ""
    is_last: bool = False


_field = FrameSource("field", FIELD_FUNCTIONS)
_view = FrameSource("view", frozenset({"dispatch"}), is_last=True)
_end = FrameSource("end", None, is_last=True)
_known_files = {
    "rest_framework/fields.py": _field,
    "rest_framework/serializers.py": _field,
    "rest_framework/relations.py": _field,
    "django/db/models/fields/related_descriptors.py": FrameSource("relation", frozenset({"__get__"})),
    "django/db/models/sql/compiler.py": FrameSource("compiler", frozenset({"execute_sql"})),
    "django/views/generic/base.py": _view,
    "rest_framework/views.py": _view,
    "asgiref/sync.py": FrameSource("thread", frozenset({"thread_handler"}), is_last=True),
    "observability/recorders/middleware.py": _end,
    "_pytest/python.py": _end,
}
# By project root and file name: one entry per file with code. None: the file says nothing.
_sources: dict[str, dict[str, FrameSource | None]] = {}


class StackFrame(NamedTuple):
    """A frame that says something about the query, and its depth below the function that searches."""

    kind: SourceKind
    frame: FrameType
    depth: int


def find_frames(root: str, depth: int) -> list[StackFrame]:
    """Return the frames that say something about the query, innermost first; skip the first `depth` frames.

    A frame costs little until code reads it: only then does Python create an object for it.
    """
    sources = _sources.get(root)
    if sources is None:
        sources = _sources[root] = {}
    found: list[StackFrame] = []
    frame: FrameType | None = sys._getframe(depth)  # noqa: SLF001 - inspect.currentframe() says the same, slower
    for index in range(depth, depth + MAX_FRAMES):
        if frame is None:
            break
        code = frame.f_code
        try:
            source = sources[code.co_filename]
        except KeyError:
            source = sources[code.co_filename] = _source_of(code.co_filename, root)
        # Most frames say nothing: skip those without a call.
        if source is not None and (source.functions is None or code.co_name in source.functions):
            found.append(StackFrame(source.kind, frame, index))
            if source.is_last:
                break
        frame = frame.f_back
    return found


@cache
def _source_of(filename: str, root: str) -> FrameSource | None:
    """Return what a file says about a query, with its path if it belongs to the project; None if it says nothing."""
    path = Path(filename).as_posix()
    known = next((source for end, source in _known_files.items() if path.endswith(f"/{end}")), None)
    if known is not None:
        return known
    # The observability layer is in the project's directory but not part of the project's code.
    project = relative_project_path(filename, root)
    return None if project is None else FrameSource("project", None, project)


def path_below(root: str, filename: str) -> str:
    """Return the path of a project file relative to its root; empty for any other file."""
    source = _source_of(filename, root)
    return "" if source is None else source.path


_own_package = Path(__file__).resolve().parent.parent


class SourceLine(NamedTuple):
    """A line of the project's code; `path` is relative to the code root."""

    path: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.function}"


def find_source_line() -> SourceLine | None:
    """Return the innermost line of the project's code on the stack of this thread, or None if there is none.

    The project's code is below OBSERVABILITY["CODE_ROOT"], without this package and without installed packages
    (site-packages).
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe() says the same, slower
    while frame is not None:
        code = frame.f_code
        path = relative_project_path(code.co_filename, configuration().code_root)
        if path is not None:
            return SourceLine(path, frame.f_lineno, code.co_qualname)
        frame = frame.f_back
    return None


@lru_cache(maxsize=4096)
def relative_project_path(filename: str, code_root: str) -> str | None:
    """Return the path of a project file relative to the code root, or None for any other file.

    Symbolic links count: the one that leads to the project, and those inside of it.
    """
    if not code_root or filename.startswith("<"):
        return None
    path, root = Path(filename), Path(code_root)
    resolved = path.resolve()
    if resolved.is_relative_to(_own_package) or "site-packages" in path.parts + resolved.parts:
        return None
    pairs = ((path, root), (resolved, root.resolve()))
    return next((file.relative_to(top).as_posix() for file, top in pairs if file.is_relative_to(top)), None)
