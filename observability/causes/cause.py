"""What caused a query: lines of the project's code, the field of a serializer (DRF), the relation that was followed.

It is found on the stack of the thread while the query runs, in tests and for a developer who looks at a request: a walk
costs some microseconds.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from observability.callsite import CallSite
from observability.causes.asked import Place, asked
from observability.causes.stack import FIELD_FUNCTIONS, Mark, marks, path_below
from observability.conf import configuration

# Above the code that asks stand at least: two functions of this module, the recorder, and two methods of the cursor.
FRAMES_ABOVE = 5
# Of the statements of one unit of work.
MAX_BEFORE = 200
MAX_SEEN = 4_096
# Of the project's frames the innermost alone may be a method of a QuerySet, whose caller is at fault.
MAX_SITES = 2

_root = ""


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


def cause(statement: str = "", before: dict[str, "Before"] | None = None) -> Cause:
    """What caused the query that runs on this thread.

    `before` remembers causes by their statement, for as long as one unit of work runs: where a statement comes from the
    same frames again, at the same depths and for the same objects, its cause is not looked for anew.
    """
    known = None if before is None else before.get(statement)
    if known is not None and _is_again(known):
        return known.cause
    root = configuration().code_root or _root
    seen = marks(root, FRAMES_ABOVE)
    found = _Found(seen, root)
    if before is not None and not found.is_of_thread and len(before) < MAX_BEFORE:
        places = tuple((depth, frame.f_code, frame.f_lasti) for _, frame, depth in seen)
        before[statement] = Before(places, tuple(found.owners), found.cause())
    return found.cause()


def places() -> tuple[Place, ...]:
    """Where the project's code stands on the stack of this thread, innermost first."""
    seen = marks(configuration().code_root or _root, 1)
    return tuple((mark.frame.f_code, mark.frame.f_lasti) for mark in seen if mark.kind == "project")[:MAX_SITES]


class Before(NamedTuple):
    """Where a statement came from: the frames of interest by depth, code and instruction, and whose methods they are.

    The owners are those of relations and fields, which their code does not tell; the view is that of the whole work. It
    holds no frame, which would keep all of its locals.
    """

    places: tuple[tuple[int, CodeType, int], ...]
    owners: tuple[tuple[int, Any], ...]
    cause: Cause


def _is_again(before: Before) -> bool:
    try:
        for depth, code, instruction in before.places:
            frame = sys._getframe(depth)  # noqa: SLF001 - what stands between is not made an object of
            if frame.f_code is not code or frame.f_lasti != instruction:
                return False
        for depth, owner in before.owners:
            if sys._getframe(depth).f_locals.get("self") is not owner:  # noqa: SLF001
                return False
    except ValueError:
        # The stack is not so deep.
        return False
    return True


class _Found:
    """What the frames of interest tell, innermost first; it is put into words only when it is new."""

    __slots__ = ("field", "is_of_thread", "is_raw", "owners", "places", "relation", "root", "view")

    def __init__(self, marks: Iterable[Mark], root: str) -> None:
        self.root = root
        self.places: list[Place] = []
        self.field: Any = None
        self.relation = ""
        self.view: tuple[type, str] | None = None
        self.is_raw = True
        self.is_of_thread = False
        self.owners: list[tuple[int, Any]] = []
        for mark in marks:
            if mark.kind == "field":
                # A function of DRF has the name of a method of its fields.
                if mark.frame.f_code.co_qualname != "get_attribute":
                    self._take_field(mark)
            elif mark.kind == "project":
                self._take_project(mark)
            else:
                self._take(mark)

    def _take_field(self, mark: Mark) -> None:
        if self.field is None:
            self.field = _field_of(self._owner_of(mark))

    def _take_project(self, mark: Mark) -> None:
        code = mark.frame.f_code
        if len(self.places) < MAX_SITES:
            self.places.append((code, mark.frame.f_lasti))
        # A field of the project's own.
        if code.co_name in FIELD_FUNCTIONS:
            self._take_field(mark)

    def _take(self, mark: Mark) -> None:
        if mark.kind == "compiler":
            self.is_raw = self.is_raw and bool(self.places)
        elif mark.kind == "relation" and not (self.relation or self.places):
            self.relation = getattr(getattr(self._owner_of(mark), "field", None), "name", "")
        elif mark.kind == "view":
            self.view = _view_of(mark.frame)
        elif mark.kind == "thread":
            self.is_of_thread = True
            self.places += asked()[: MAX_SITES - len(self.places)]

    def _owner_of(self, mark: Mark) -> Any:  # noqa: ANN401 - whatever has the method
        owner = mark.frame.f_locals.get("self")
        self.owners.append((mark.depth, owner))
        return owner

    def cause(self) -> Cause:
        key: list[object] = [self.is_raw, self.relation, self.view]
        for code, instruction in self.places:
            key += id(code), instruction
        field = self.field
        if field is not None:
            key += type(field), type(field.parent), field.field_name, field.source
        seen = _seen.get(tuple(key))
        if seen is None:
            if len(_seen) >= MAX_SEEN:
                # DRF makes a class anew for each nested serializer without one, and the keys have it.
                _seen.clear()
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
    return CallSite(path_below(root, code.co_filename), line or code.co_firstlineno, code.co_qualname)


def _view_of(frame: FrameType) -> tuple[type, str]:
    """The class of the view that dispatches, and the name of its handler."""
    # The locals are a dictionary that is made anew each time.
    names = frame.f_locals
    view = names.get("self")
    handler = getattr(view, "action", None) or str(getattr(names.get("request"), "method", "")).lower()
    return type(view), handler


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
    return path_below(configuration().code_root or _root, filename) or filename
