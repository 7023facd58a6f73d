"""What caused a query: lines of the project's code, the field of a serializer (DRF), the relation that was followed.

It is found on the stack of the thread while the query runs, in tests alone: a walk costs some microseconds.
"""

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from observability.callsite import CallSite
from observability.conf import configuration

MAX_FRAMES = 150
# Of the project's frames the innermost alone may be a method of a QuerySet, whose caller is at fault.
MAX_SITES = 2

FIELD_FUNCTIONS = frozenset({"to_representation", "get_attribute", "run_validation", "to_internal_value"})

SKIPPED, PROJECT, DRF, RELATED, COMPILER, VIEW, THREAD, END = range(8)
_kinds_of_ends = {
    "rest_framework/fields.py": DRF,
    "rest_framework/serializers.py": DRF,
    "rest_framework/relations.py": DRF,
    "django/db/models/fields/related_descriptors.py": RELATED,
    "django/db/models/sql/compiler.py": COMPILER,
    "django/views/generic/base.py": VIEW,
    "rest_framework/views.py": VIEW,
    "asgiref/sync.py": THREAD,
    "observability/middleware.py": END,
    "_pytest/python.py": END,
}
_room = str(Path(__file__).resolve().parent) + os.sep
_root = ""
_skipped = (SKIPPED, "")
# By the root of the project and the name of a file: as many as there are files with code.
_kinds: dict[str, dict[str, tuple[int, str]]] = {}


class Field(NamedTuple):
    """A field of a serializer: `name` is `module.Serializer.field`, `kind` that of the field's class."""

    name: str
    source: str
    kind: str
    serializer: str

    def __str__(self) -> str:
        own = self.name.rpartition(".")[2]
        return self.name if self.source in ("", "*", own) else f"{self.name} (source={self.source!r})"


class Cause(NamedTuple):
    """Why a query ran: `sites` innermost first, `relation` the foreign key that was followed, `is_raw` by a cursor."""

    sites: tuple[CallSite, ...] = ()
    field: Field | None = None
    relation: str = ""
    view: str = ""
    is_raw: bool = False


def use_root(directory: Path) -> None:
    """Take this directory for the project's where OBSERVABILITY["CODE_ROOT"] names none."""
    global _root  # noqa: PLW0603 - the plugin sets it once, when the tests begin
    _root = str(directory)


def cause() -> Cause:
    """What caused the query that runs on this thread."""
    root = configuration().code_root or _root
    if root not in _kinds:
        _kinds[root] = {}
    kinds = _kinds[root]
    walk = _Walk(root)
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe() says the same, slower
    for _ in range(MAX_FRAMES):
        if frame is None:
            break
        filename = frame.f_code.co_filename
        # Most frames are of no interest: those are passed by without a call.
        kind = kinds.get(filename)
        if kind is None:
            kind = kinds[filename] = _kind(filename, root)
        if kind is not _skipped and walk.ends_at(frame, *kind):
            break
        frame = frame.f_back
    return walk.found()


class _Walk:
    """One walk over the frames of a stack, from the query outwards."""

    __slots__ = ("field", "is_raw", "is_seen", "relation", "root", "sites", "view")

    def __init__(self, root: str) -> None:
        self.root = root
        self.sites: list[CallSite] = []
        self.field: Field | None = None
        self.relation = self.view = ""
        self.is_raw = self.is_seen = False

    def ends_at(self, frame: FrameType, kind: int, path: str) -> bool:
        """Take from a frame what it tells; whether those outside of it are of no interest."""
        code = frame.f_code
        name = code.co_name
        if kind == PROJECT and len(self.sites) < MAX_SITES:
            self.is_raw = self.is_raw or not (self.sites or self.is_seen)
            self.sites.append(CallSite(path, frame.f_lineno, code.co_qualname))
        if name in FIELD_FUNCTIONS and self.field is None and kind in (PROJECT, DRF):
            self.field = _field_of(frame.f_locals.get("self"))
        elif kind == COMPILER:
            self.is_seen = True
        elif kind == RELATED and name == "__get__" and not (self.relation or self.sites):
            self.relation = getattr(getattr(frame.f_locals.get("self"), "field", None), "name", "")
        elif kind == VIEW and name == "dispatch":
            self.view = _view_of(frame.f_locals.get("self"), frame.f_locals.get("request"))
            return True
        elif kind == THREAD and name == "thread_handler":
            self._ask_task(frame)
            return True
        return kind == END

    def _ask_task(self, frame: FrameType) -> None:
        """Where the query was awaited: this thread runs it for a task of another one."""
        for task in frame.f_locals.get("task_context") or ():
            coroutine: Any = task.get_coro() if task is not None else None
            sites: list[CallSite] = []
            while coroutine is not None and getattr(coroutine, "cr_frame", None) is not None:
                code = coroutine.cr_frame.f_code
                kind, path = _kind(code.co_filename, self.root)
                if kind == END:
                    sites.clear()
                if kind == PROJECT:
                    sites.append(CallSite(path, coroutine.cr_frame.f_lineno, code.co_qualname))
                coroutine = coroutine.cr_await
            self.sites += sites[::-1][: MAX_SITES - len(self.sites)]

    def found(self) -> Cause:
        return Cause(tuple(self.sites), self.field, self.relation, self.view, self.is_raw)


def _kind(filename: str, root: str) -> tuple[int, str]:
    """Of what kind a file is, and its path below the root where it is the project's."""
    if filename.startswith(("<", _room)):
        return _skipped
    path = Path(filename)
    kind = next((kind for end, kind in _kinds_of_ends.items() if path.as_posix().endswith(f"/{end}")), None)
    if kind is not None:
        return kind, ""
    if not root or "site-packages" in path.parts or not path.is_relative_to(root):
        return _skipped
    relative = path.relative_to(root)
    # The layer itself lies in the project's directory, and is no part of it.
    is_own = path.is_relative_to(Path(_room).parent)
    return _skipped if is_own else (PROJECT, relative.as_posix())


def _field_of(field: Any) -> Field | None:  # noqa: ANN401 - DRF may not be there
    """The field of a serializer, seen from one that runs: an item of a list stands for the field with the list."""
    fields = sys.modules.get("rest_framework.fields")
    if fields is None or not isinstance(field, fields.Field):
        return None
    serializers = sys.modules["rest_framework.serializers"]
    while field is not None and not (field.field_name and isinstance(field.parent, serializers.BaseSerializer)):
        field = field.parent
    if field is None:
        return None
    owner = type(field.parent)
    name = f"{owner.__module__}.{owner.__qualname__}"
    source = str(getattr(field, "source", "") or "")
    return Field(f"{name}.{field.field_name}", source, _kind_of_field(field, serializers), name)


def _kind_of_field(field: Any, serializers: Any) -> str:  # noqa: ANN401 - as above
    if isinstance(field, serializers.SerializerMethodField):
        return "method"
    is_many = isinstance(field, serializers.ListSerializer | serializers.ManyRelatedField)
    return "many" if is_many else "one"


def _view_of(view: Any, request: Any) -> str:  # noqa: ANN401 - whatever dispatches
    owner = type(view)
    handler = getattr(view, "action", None) or str(getattr(request, "method", "")).lower()
    return f"{owner.__module__}.{owner.__qualname__}.{handler}"


def project_path(filename: str) -> str:
    """A file of the project relative to its root, as a person in it would name it; another one as it is."""
    kind, path = _kind(filename, configuration().code_root or _root)
    return path if kind == PROJECT else filename
