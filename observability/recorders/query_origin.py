"""The origin of a query: lines of the project's code, the serializer field (DRF), and the relation that was followed.

It is found on the call stack while the query runs, in tests and in profiled requests. This takes a few microseconds.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from asgiref.sync import SyncToAsync

from observability.conf import configuration
from observability.recorders.call_stack import FIELD_FUNCTIONS, SourceLine, StackFrame, find_frames, path_below

# The number of innermost frames to skip. They are never project code: two of this module, one of the recorder, two of
# the cursor.
FRAMES_ABOVE = 5
# Per observation.
MAX_CACHED_ORIGINS = 200
MAX_STACKS = 4_096
# If the innermost project frame is a QuerySet method, the line to change is in its caller. So two lines are kept.
MAX_SOURCE_LINES = 2

# A code object, and the index of its running instruction.
CodePosition = tuple[CodeType, int]

_code_root = ""
_awaiting: ContextVar[tuple[CodePosition, ...]] = ContextVar("awaiting_positions", default=())


class SerializerField(NamedTuple):
    """A serializer field. `name` is `module.Serializer.field`; `kind` is `one`, `many` or `method`."""

    name: str
    source: str
    kind: str
    serializer: str

    def __str__(self) -> str:
        own = self.name.rpartition(".")[2]
        return self.name if self.source in ("", "*", own) else f"{self.name} (source={self.source!r})"


@dataclass(frozen=True, slots=True, eq=False)
class QueryOrigin:
    """Why a query ran.

    source_lines: lines of the project's code, innermost first.
    field: the serializer field that was read.
    relation: the name of the foreign key that was followed.
    view: the view and its handler, as `module.View.handler`.
    is_raw: the query was sent by a cursor, not by the ORM.

    Equal origins are the same object. Comparing their parts for each query would double the cost of a search.
    """

    source_lines: tuple[SourceLine, ...] = ()
    field: SerializerField | None = None
    relation: str = ""
    view: str = ""
    is_raw: bool = False


UNKNOWN_ORIGIN = QueryOrigin()

# By the parts of the origin: one entry per place in the code that runs queries.
_origins: dict[tuple[object, ...], QueryOrigin] = {}
# By the information on the stack. The key contains ids of code objects; the objects are kept so that Python does not
# reuse their ids.
_origins_by_stack: dict[tuple[object, ...], tuple[QueryOrigin, list[CodeType]]] = {}


def set_code_root(directory: Path) -> None:
    """Set the code root that is used if OBSERVABILITY["CODE_ROOT"] is empty."""
    global _code_root  # noqa: PLW0603 - the pytest plugin sets it once, before the tests
    _code_root = str(directory)


def find_query_origin(fingerprint: str = "", cache: dict[str, "CachedOrigin"] | None = None) -> QueryOrigin:
    """Return the origin of the query that this thread is running.

    `cache` has the origins of one observation by fingerprint. The cached origin is returned if the same query runs
    again from the same frames, at the same depths, for the same objects.
    """
    known = None if cache is None else cache.get(fingerprint)
    if known is not None and _is_same_stack(known):
        return known.origin
    root = configuration().code_root or _code_root
    frames = find_frames(root, FRAMES_ABOVE)
    search = _OriginSearch(frames, root)
    if cache is not None and not search.is_in_asgiref_thread and len(cache) < MAX_CACHED_ORIGINS:
        positions = tuple((depth, frame.f_code, frame.f_lasti) for _, frame, depth in frames)
        cache[fingerprint] = CachedOrigin(positions, tuple(search.owners), search.origin())
    return search.origin()


def find_project_positions() -> tuple[CodePosition, ...]:
    """Return the positions of the project's code on the stack of this thread, innermost first."""
    frames = find_frames(configuration().code_root or _code_root, 1)
    return tuple((frame.frame.f_code, frame.frame.f_lasti) for frame in frames if frame.kind == "project")[
        :MAX_SOURCE_LINES
    ]


class CachedOrigin(NamedTuple):
    """The origin of a query, and the stack on which it was found.

    positions: depth, code and instruction of each frame. The frames themselves are not kept, because a frame would keep
        all its local variables alive.
    owners: depth and `self` of the frames of relations and fields. Several fields can share the same code.
    """

    positions: tuple[tuple[int, CodeType, int], ...]
    owners: tuple[tuple[int, Any], ...]
    origin: QueryOrigin


def _is_same_stack(cached: CachedOrigin) -> bool:
    try:
        for depth, code, instruction in cached.positions:
            frame = sys._getframe(depth)  # noqa: SLF001 - creates no objects for the frames in between
            if frame.f_code is not code or frame.f_lasti != instruction:
                return False
        for depth, owner in cached.owners:
            if sys._getframe(depth).f_locals.get("self") is not owner:  # noqa: SLF001
                return False
    except ValueError:
        # The stack has fewer frames.
        return False
    return True


class _OriginSearch:
    """Collect the origin from frames, innermost first. Names are looked up only if this combination is new."""

    __slots__ = ("field", "is_in_asgiref_thread", "is_raw", "owners", "positions", "relation", "root", "view")

    def __init__(self, frames: Iterable[StackFrame], root: str) -> None:
        self.root = root
        self.positions: list[CodePosition] = []
        self.field: Any = None
        self.relation = ""
        self.view: tuple[type, str] | None = None
        self.is_raw = True
        self.is_in_asgiref_thread = False
        self.owners: list[tuple[int, Any]] = []
        for frame in frames:
            if frame.kind == "field":
                # DRF also has a module-level function with this name, which is not a method of a field.
                if frame.frame.f_code.co_qualname != "get_attribute":
                    self._add_field_frame(frame)
            elif frame.kind == "project":
                self._add_project_frame(frame)
            else:
                self._add_framework_frame(frame)

    def _add_field_frame(self, frame: StackFrame) -> None:
        if self.field is None:
            self.field = _field_of(self._owner_of(frame))

    def _add_project_frame(self, frame: StackFrame) -> None:
        code = frame.frame.f_code
        if len(self.positions) < MAX_SOURCE_LINES:
            self.positions.append((code, frame.frame.f_lasti))
        # It may be a method of a field class that the project defines.
        if code.co_name in FIELD_FUNCTIONS:
            self._add_field_frame(frame)

    def _add_framework_frame(self, frame: StackFrame) -> None:
        if frame.kind == "compiler":
            self.is_raw = self.is_raw and bool(self.positions)
        elif frame.kind == "relation" and not (self.relation or self.positions):
            self.relation = getattr(getattr(self._owner_of(frame), "field", None), "name", "")
        elif frame.kind == "view":
            self.view = _view_of(frame.frame)
        elif frame.kind == "thread":
            self.is_in_asgiref_thread = True
            self.positions += awaiting_positions()[: MAX_SOURCE_LINES - len(self.positions)]

    def _owner_of(self, frame: StackFrame) -> Any:  # noqa: ANN401 - an object of any class
        owner = frame.frame.f_locals.get("self")
        self.owners.append((frame.depth, owner))
        return owner

    def origin(self) -> QueryOrigin:
        key: list[object] = [self.is_raw, self.relation, self.view]
        for code, instruction in self.positions:
            key += id(code), instruction
        field = self.field
        if field is not None:
            key += type(field), type(field.parent), field.field_name, field.source
        seen = _origins_by_stack.get(tuple(key))
        if seen is None:
            if len(_origins_by_stack) >= MAX_STACKS:
                # The keys refer to serializer classes, and DRF creates new classes for some nested serializers.
                _origins_by_stack.clear()
            seen = _origins_by_stack[tuple(key)] = self._describe(), [code for code, _ in self.positions]
        return seen[0]

    def _describe(self) -> QueryOrigin:
        source_lines = tuple(_source_line(self.root, *position) for position in self.positions)
        field = None if self.field is None else _describe_field(self.field)
        view = f"{_qualified_name(self.view[0])}.{self.view[1]}" if self.view else ""
        is_raw = self.is_raw and bool(source_lines)
        parts = (source_lines, field, self.relation, view, is_raw)
        return _origins.setdefault(parts, QueryOrigin(*parts))


def _source_line(root: str, code: CodeType, instruction: int) -> SourceLine:
    line = next((line for start, end, line in code.co_lines() if start <= instruction < end), None)
    return SourceLine(path_below(root, code.co_filename), line or code.co_firstlineno, code.co_qualname)


def _view_of(frame: FrameType) -> tuple[type, str]:
    """Return the class of the view that dispatches, and the name of its handler."""
    # Read it once: Python builds this dictionary at each access.
    names = frame.f_locals
    view = names.get("self")
    handler = getattr(view, "action", None) or str(getattr(names.get("request"), "method", "")).lower()
    return type(view), handler


def _field_of(field: Any) -> Any:  # noqa: ANN401 - DRF is optional
    """Return the named field of the serializer that contains this field: for the item of a list, the list."""
    fields = sys.modules.get("rest_framework.fields")
    if fields is None or not isinstance(field, fields.Field):
        return None
    serializers = sys.modules["rest_framework.serializers"]
    while field is not None and not (field.field_name and isinstance(field.parent, serializers.BaseSerializer)):
        field = field.parent
    return field


def _describe_field(field: Any) -> SerializerField:  # noqa: ANN401 - as above
    serializers = sys.modules["rest_framework.serializers"]
    owner = type(field.parent)
    source = str(getattr(field, "source", "") or "")
    return SerializerField(
        f"{_qualified_name(owner)}.{field.field_name}",
        source,
        _kind_of_field(field, serializers),
        _qualified_name(owner),
    )


def _kind_of_field(field: Any, serializers: Any) -> str:  # noqa: ANN401 - as above
    if isinstance(field, serializers.SerializerMethodField):
        return "method"
    is_many = isinstance(field, serializers.ListSerializer | serializers.ManyRelatedField)
    return "many" if is_many else "one"


def _qualified_name(owner: type) -> str:
    return f"{owner.__module__}.{owner.__qualname__}"


def project_path(filename: str) -> str:
    """Return the path of a project file relative to the code root; for other files, the unchanged path."""
    return path_below(configuration().code_root or _code_root, filename) or filename


def awaiting_positions() -> tuple[CodePosition, ...]:
    """Return the code positions of the coroutine that waits for this thread; empty if no coroutine waits."""
    return _awaiting.get()


@contextmanager
def follow_sync_to_async(positions: Callable[[], tuple[CodePosition, ...]]) -> Iterator[None]:
    """Store the caller's code positions at each call of asgiref's `sync_to_async`, until the block ends.

    For async code, asgiref runs the ORM in another thread, and the stack of this thread does not contain the caller.
    The thread can read the positions because it runs in a copy of the caller's context.
    """
    call: Callable[..., Any] = SyncToAsync.__call__

    @wraps(call)
    async def remember_caller(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any callable
        __tracebackhide__ = True
        previous = _awaiting.get()
        _awaiting.set(positions())
        try:
            return await call(self, *args, **kwargs)
        finally:
            _awaiting.set(previous)

    SyncToAsync.__call__ = remember_caller  # type: ignore[method-assign]
    try:
        yield
    finally:
        SyncToAsync.__call__ = call  # type: ignore[method-assign]
