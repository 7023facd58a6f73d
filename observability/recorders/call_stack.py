"""Read the call stack of this thread: the frames that explain a query, and the running line of the project's code."""

import sys
from functools import cache, lru_cache
from pathlib import Path
from types import FrameType
from typing import Literal, NamedTuple

from observability.conf import configuration

MAX_FRAMES = 150

# The methods in which a serializer field of DRF reads or validates a value.
FIELD_FUNCTIONS = frozenset({"to_representation", "get_attribute", "run_validation", "to_internal_value"})


SourceKind = Literal["project", "field", "relation", "compiler", "view", "thread", "end"]


class FrameSource(NamedTuple):
    """The information that the frames of one source file have about a query.

    functions: only frames of these functions count; None: all functions.
    path: the path relative to the project, for a project file.
    is_last: the search ends at this frame.
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
# By project root and file name, one entry per source file. None: frames of this file are skipped.
_sources: dict[str, dict[str, FrameSource | None]] = {}


class StackFrame(NamedTuple):
    """A frame that gives information about the query, and its depth on the stack below the searching function."""

    kind: SourceKind
    frame: FrameType
    depth: int


def find_frames(root: str, depth: int) -> list[StackFrame]:
    """Return the frames that give information about the query, innermost first; skip the first `depth` frames.

    This reads few frames, because Python creates a frame object only when code reads the frame.
    """
    sources = _sources.get(root)
    if sources is None:
        sources = _sources[root] = {}
    found: list[StackFrame] = []
    frame: FrameType | None = sys._getframe(depth)  # noqa: SLF001 - inspect.currentframe() returns the same frame, but is slower
    for index in range(depth, depth + MAX_FRAMES):
        if frame is None:
            break
        code = frame.f_code
        try:
            source = sources[code.co_filename]
        except KeyError:
            source = sources[code.co_filename] = _source_of(code.co_filename, root)
        # Most frames are skipped here, without a function call.
        if source is not None and (source.functions is None or code.co_name in source.functions):
            found.append(StackFrame(source.kind, frame, index))
            if source.is_last:
                break
        frame = frame.f_back
    return found


@cache
def _source_of(filename: str, root: str) -> FrameSource | None:
    """Return the source of a file, with its path if it is a project file; None if frames of it are skipped."""
    path = Path(filename).as_posix()
    known = next((source for end, source in _known_files.items() if path.endswith(f"/{end}")), None)
    if known is not None:
        return known
    # `relative_project_path` excludes the observability layer, which is inside the project's directory.
    project = relative_project_path(filename, root)
    return None if project is None else FrameSource("project", None, project)


def path_below(root: str, filename: str) -> str:
    """Return the path of a project file relative to the root; "" for other files."""
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
    """Return the innermost line of the project's code on the stack of this thread, or None.

    The project's code is all code in OBSERVABILITY["CODE_ROOT"], except this package and installed packages
    (site-packages).
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe() returns the same frame, but is slower
    while frame is not None:
        code = frame.f_code
        path = relative_project_path(code.co_filename, configuration().code_root)
        if path is not None:
            return SourceLine(path, frame.f_lineno, code.co_qualname)
        frame = frame.f_back
    return None


@lru_cache(maxsize=4096)
def relative_project_path(filename: str, code_root: str) -> str | None:
    """Return the path of a project file relative to the code root, or None for other files.

    The file is found with and without resolving symbolic links: the project itself may be linked, or a part of it.
    """
    if not code_root or filename.startswith("<"):
        return None
    path, root = Path(filename), Path(code_root)
    resolved = path.resolve()
    if resolved.is_relative_to(_own_package) or "site-packages" in path.parts + resolved.parts:
        return None
    pairs = ((path, root), (resolved, root.resolve()))
    return next((file.relative_to(top).as_posix() for file, top in pairs if file.is_relative_to(top)), None)
