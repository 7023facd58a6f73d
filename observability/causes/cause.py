"""What caused a query: lines of the project's code, the field of a serializer (DRF), the relation that was followed.

It is found on the stack of the thread while the query runs, in tests and for a developer who looks at a request: a walk
costs some microseconds.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Literal, NamedTuple

from observability.callsite import CallSite, path_in_project
from observability.causes.asked import Place, asked
from observability.conf import configuration

MAX_FRAMES = 150
# Of the project's frames the innermost alone may be a method of a QuerySet, whose caller is at fault.
MAX_SITES = 2

# The functions in which a field of a serializer is asked for its value, or given one.
FIELD_FUNCTIONS = frozenset({"to_representation", "get_attribute", "run_validation", "to_internal_value"})


SourceKind = Literal["other", "project", "field", "relation", "compiler", "view", "thread", "end"]


class Source(NamedTuple):
    """A file on the stack: its kind, the functions in it that tell something (None: all), its path in the project.

    Outside of the last one nothing is of interest.
    """

    kind: SourceKind
    functions: frozenset[str] | None = frozenset()
    path: str = ""
    is_last: bool = False


_other = Source("other")
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
_root = ""
# By the root of the project and the name of a file: as many as there are files with code.
_sources: dict[str, dict[str, Source]] = {}


class Field(NamedTuple):
    """A field of a serializer: `name` is `module.Serializer.field`, `kind` that of the field's class."""

    name: str
    source: str
    kind: str
    serializer: str

    def __str__(self) -> str:
        own = self.name.rpartition(".")[2]
        return self.name if self.source in ("", "*", own) else f"{self.name} (source={self.source!r})"


@dataclass(frozen=True, slots=True, eq=False)
class Cause:
    """Why a query ran: `sites` innermost first, `relation` the foreign key that was followed, `is_raw` by a cursor.

    Equal causes are one object: a query is counted under its own, and comparing their parts would cost as much as the
    rest of it.
    """

    sites: tuple[CallSite, ...] = ()
    field: Field | None = None
    relation: str = ""
    view: str = ""
    is_raw: bool = False


NO_CAUSE = Cause()

# By what it has: as many as there are places in the code that run queries.
_causes: dict[tuple[object, ...], Cause] = {}
# By what the stack showed; with the code that stands in the key by its number, which must not become another's.
_seen: dict[tuple[object, ...], tuple[Cause, list[CodeType]]] = {}


def use_root(directory: Path) -> None:
    """Take this directory for the project's where OBSERVABILITY["CODE_ROOT"] names none."""
    global _root  # noqa: PLW0603 - the plugin sets it once, when the tests begin
    _root = str(directory)


def cause() -> Cause:
    """What caused the query that runs on this thread."""
    root = configuration().code_root or _root
    return _Found(_marks(root), root).cause()


def places() -> tuple[Place, ...]:
    """Where the project's code stands on the stack of this thread, innermost first."""
    marks = _marks(configuration().code_root or _root)
    return tuple((frame.f_code, frame.f_lasti) for kind, frame in marks if kind == "project")[:MAX_SITES]


def _marks(root: str) -> list[tuple[SourceKind, FrameType]]:
    """The frames of interest on the stack of this thread, innermost first."""
    sources = _sources.get(root)
    if sources is None:
        sources = _sources[root] = {}
    marks: list[tuple[SourceKind, FrameType]] = []
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe() says the same, slower
    for _ in range(MAX_FRAMES):
        if frame is None:
            break
        code = frame.f_code
        source = sources.get(code.co_filename)
        if source is None:
            source = sources[code.co_filename] = _source_of(code.co_filename, root)
        # Most frames are of no interest: those are passed by without a call.
        if source is not _other and (source.functions is None or code.co_name in source.functions):
            marks.append((source.kind, frame))
            if source.is_last:
                break
        frame = frame.f_back
    return marks


class _Found:
    """What the frames of interest tell, innermost first; it is put into words only when it is new."""

    __slots__ = ("field", "is_raw", "places", "relation", "root", "view")

    def __init__(self, marks: Iterable[tuple[SourceKind, FrameType]], root: str) -> None:
        self.root = root
        self.places: list[Place] = []
        self.field: Any = None
        self.relation = ""
        self.view: tuple[type, str] | None = None
        self.is_raw = True
        for kind, frame in marks:
            if kind == "project":
                if len(self.places) < MAX_SITES:
                    self.places.append((frame.f_code, frame.f_lasti))
                # A field of the project's own.
                if frame.f_code.co_name in FIELD_FUNCTIONS:
                    self._take_field(frame)
            elif kind == "compiler":
                self.is_raw = self.is_raw and bool(self.places)
            elif kind == "field":
                self._take_field(frame)
            else:
                self._take(kind, frame)

    def _take_field(self, frame: FrameType) -> None:
        if self.field is None:
            self.field = _field_of(frame.f_locals.get("self"))

    def _take(self, kind: SourceKind, frame: FrameType) -> None:
        if kind == "relation" and not (self.relation or self.places):
            self.relation = getattr(getattr(frame.f_locals.get("self"), "field", None), "name", "")
        elif kind == "view":
            view, request = frame.f_locals.get("self"), frame.f_locals.get("request")
            handler = getattr(view, "action", None) or str(getattr(request, "method", "")).lower()
            self.view = type(view), handler
        elif kind == "thread":
            self.places += asked()[: MAX_SITES - len(self.places)]

    def cause(self) -> Cause:
        key: list[object] = [self.is_raw, self.relation, self.view]
        for code, instruction in self.places:
            key += id(code), instruction
        field = self.field
        if field is not None:
            key += type(field), type(field.parent), field.field_name, field.source
        seen = _seen.get(tuple(key))
        if seen is None:
            seen = _seen[tuple(key)] = self._named(), [code for code, _ in self.places]
        return seen[0]

    def _named(self) -> Cause:
        sites = tuple(_site(self.root, *place) for place in self.places)
        field = None if self.field is None else _named_field(self.field)
        view = f"{_name(self.view[0])}.{self.view[1]}" if self.view else ""
        is_raw = self.is_raw and bool(sites)
        parts = (sites, field, self.relation, view, is_raw)
        return _causes.setdefault(parts, Cause(*parts))


def _site(root: str, code: CodeType, instruction: int) -> CallSite:
    line = next((line for start, end, line in code.co_lines() if start <= instruction < end), None)
    return CallSite(_source_of(code.co_filename, root).path, line or code.co_firstlineno, code.co_qualname)


@cache
def _source_of(filename: str, root: str) -> Source:
    """What a file tells, with its path below the root where it is the project's."""
    path = Path(filename).as_posix()
    known = next((source for end, source in _known_files.items() if path.endswith(f"/{end}")), None)
    if known is not None:
        return known
    # The layer itself lies in the project's directory, and is no part of it.
    project = path_in_project(filename, root)
    return _other if project is None else Source("project", None, project)


def _field_of(field: Any) -> Any:  # noqa: ANN401 - DRF may not be there
    """The field with a name in a serializer, seen from one that runs: an item of a list stands for the list."""
    fields = sys.modules.get("rest_framework.fields")
    if fields is None or not isinstance(field, fields.Field):
        return None
    serializers = sys.modules["rest_framework.serializers"]
    while field is not None and not (field.field_name and isinstance(field.parent, serializers.BaseSerializer)):
        field = field.parent
    return field


def _named_field(field: Any) -> Field:  # noqa: ANN401 - as above
    serializers = sys.modules["rest_framework.serializers"]
    owner = type(field.parent)
    source = str(getattr(field, "source", "") or "")
    return Field(f"{_name(owner)}.{field.field_name}", source, _kind_of_field(field, serializers), _name(owner))


def _kind_of_field(field: Any, serializers: Any) -> str:  # noqa: ANN401 - as above
    if isinstance(field, serializers.SerializerMethodField):
        return "method"
    is_many = isinstance(field, serializers.ListSerializer | serializers.ManyRelatedField)
    return "many" if is_many else "one"


def _name(owner: type) -> str:
    return f"{owner.__module__}.{owner.__qualname__}"


def project_path(filename: str) -> str:
    """A file of the project relative to its root, as a person in it would name it; another one as it is."""
    return _source_of(filename, configuration().code_root or _root).path or filename
