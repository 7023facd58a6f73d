"""The stack of this thread: the frames in which something about a query can be found, and no others."""

import sys
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Literal, NamedTuple

from observability.callsite import path_in_project

MAX_FRAMES = 150

# The functions in which a field of a serializer is asked for its value, or given one.
FIELD_FUNCTIONS = frozenset({"to_representation", "get_attribute", "run_validation", "to_internal_value"})


SourceKind = Literal["project", "field", "relation", "compiler", "view", "thread", "end"]


class Source(NamedTuple):
    """A file on the stack: its kind, the functions in it that tell something (None: all), its path in the project.

    Outside of the last one nothing is of interest.
    """

    kind: SourceKind
    functions: frozenset[str] | None = frozenset()
    path: str = ""
    is_last: bool = False


_field = Source("field", FIELD_FUNCTIONS)
_view = Source("view", frozenset({"dispatch"}), is_last=True)
_end = Source("end", None, is_last=True)
_known_files = {
    "rest_framework/fields.py": _field,
    "rest_framework/serializers.py": _field,
    "rest_framework/relations.py": _field,
    "django/db/models/fields/related_descriptors.py": Source("relation", frozenset({"__get__"})),
    "django/db/models/sql/compiler.py": Source("compiler", frozenset({"execute_sql"})),
    "django/views/generic/base.py": _view,
    "rest_framework/views.py": _view,
    "asgiref/sync.py": Source("thread", frozenset({"thread_handler"}), is_last=True),
    "observability/middleware.py": _end,
    "_pytest/python.py": _end,
}
# By the root of the project and the name of a file: as many as there are files with code. None is of no interest.
_sources: dict[str, dict[str, Source | None]] = {}


class Mark(NamedTuple):
    """A frame of interest, and how many frames below the function that looks for it it stands."""

    kind: SourceKind
    frame: FrameType
    depth: int


def marks(root: str, depth: int) -> list[Mark]:
    """The frames of interest on the stack of this thread, innermost first, without the first `depth` frames of all.

    A frame costs little until somebody looks at it: then Python makes an object of it.
    """
    sources = _sources.get(root)
    if sources is None:
        sources = _sources[root] = {}
    found: list[Mark] = []
    frame: FrameType | None = sys._getframe(depth)  # noqa: SLF001 - inspect.currentframe() says the same, slower
    for each in range(depth, depth + MAX_FRAMES):
        if frame is None:
            break
        code = frame.f_code
        try:
            source = sources[code.co_filename]
        except KeyError:
            source = sources[code.co_filename] = _source_of(code.co_filename, root)
        # Most frames are of no interest: those are passed by without a call.
        if source is not None and (source.functions is None or code.co_name in source.functions):
            found.append(Mark(source.kind, frame, each))
            if source.is_last:
                break
        frame = frame.f_back
    return found


@cache
def _source_of(filename: str, root: str) -> Source | None:
    """What a file tells, with its path below the root where it is the project's; None where it tells nothing."""
    path = Path(filename).as_posix()
    known = next((source for end, source in _known_files.items() if path.endswith(f"/{end}")), None)
    if known is not None:
        return known
    # The layer itself lies in the project's directory, and is no part of it.
    project = path_in_project(filename, root)
    return None if project is None else Source("project", None, project)


def path_below(root: str, filename: str) -> str:
    """A file of the project relative to its root; empty for any other."""
    source = _source_of(filename, root)
    return "" if source is None else source.path
