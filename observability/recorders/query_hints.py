"""Hints: code changes that usually fix a query that runs once per row."""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from observability.recorders.query_origin import QueryOrigin, SerializerField, project_path
from observability.recorders.sql import normalize

_hints_by_verb = {
    "INSERT": "bulk_create(…) for all rows",
    "UPDATE": "one update(…) or bulk_update(…) for all rows",
    "DELETE": "one filter(…).delete() for all rows",
    r"SELECT (DISTINCT )?COUNT\(": "annotate(…=Count(…)) on the queryset, and read the annotation",
    "SELECT 1 FROM": "annotate(…=Exists(…)) on the queryset, or one query for all rows before the loop",
}
_by_one_column = re.compile(r"WHERE \(?(\w+\.)?\w+ = %s\)?(?: LIMIT …)?$")


def find_hint(fingerprint: str, origin: QueryOrigin) -> str:
    """Return a hint, in a few words, for a query that ran repeatedly from one origin."""
    statement = normalize(fingerprint)
    return _hint_by_verb(statement, is_raw=origin.is_raw) or _hint_by_relation(origin, statement)


def _hint_by_verb(statement: str, *, is_raw: bool) -> str:
    if is_raw:
        return "one query before the loop with WHERE … IN (all values), or a JOIN"
    return next((text for pattern, text in _hints_by_verb.items() if re.match(pattern, statement)), "")


def _hint_by_relation(origin: QueryOrigin, statement: str) -> str:
    field = origin.field
    if field is not None and field.kind == "many":
        return f'prefetch_related("{_to_lookup(field.source)}") on {_describe_queryset(origin)}'
    if origin.relation:
        return f'select_related("{_find_related_lookup(origin)}") on {_describe_queryset(origin)}'
    if field is not None and field.kind == "method":
        return f"annotate(…) or prefetch_related(…) on {_describe_queryset(origin)}: the method runs for each row"
    if _by_one_column.search(statement):
        return "select_related(…) for a foreign key, prefetch_related(…) for a to-many relation, or one in_bulk(…)"
    return "prefetch_related(…) on the queryset, or one query for all rows before the loop"


def _describe_queryset(origin: QueryOrigin) -> str:
    """Return which queryset to change: the view's, if a serializer field ran the query and the view has a queryset."""
    owner = find_queryset_owner(origin.view) if origin.field is not None else None
    return "the queryset" if owner is None else f"the queryset of {owner.view} ({owner.place})"


def _to_lookup(source: str) -> str:
    return source.replace(".", "__")


def _find_related_lookup(origin: QueryOrigin) -> str:
    """Return the argument for `select_related`: the relations in the field's source, up to the foreign key."""
    parts = origin.field.source.split(".") if origin.field is not None else []
    return "__".join(parts[: parts.index(origin.relation) + 1]) if origin.relation in parts else origin.relation


class QuerySetOwner(NamedTuple):
    """A view that has a queryset: its name without the module, and file and line of `queryset` or `get_queryset`."""

    view: str
    place: str


@cache
def find_field_declaration(field: SerializerField) -> str:
    """Return the file and line of the declaration of a field, or ""."""
    name = field.name.rpartition(".")[2]
    return next((f"{project_path(file)}:{line}" for file, line in _declarations(field.serializer, name)), "")


@cache
def find_queryset_owner(view: str) -> QuerySetOwner | None:
    """Return the view of a query origin (`module.View.handler`), or None if the project's code gives it no queryset."""
    dotted = view.rpartition(".")[0]
    for name in ("queryset", "get_queryset"):
        for file, line in _declarations(dotted, name):
            path = project_path(file)
            # DRF's base views have both too; they are not project files.
            if path != file:
                return QuerySetOwner(dotted.rpartition(".")[2], f"{path}:{line}")
    return None


def _declarations(dotted: str, name: str) -> Iterator[tuple[str, int]]:
    """Yield the file and line of each declaration of an attribute or method in a class and its base classes."""
    module, _, owner_name = dotted.rpartition(".")
    for owner in getattr(getattr(sys.modules.get(module), owner_name, None), "__mro__", ())[:-1]:
        try:
            lines, first = inspect.getsourcelines(owner)
            (definition,) = ast.parse(textwrap.dedent("".join(lines))).body
        except (OSError, TypeError, ValueError, SyntaxError):
            continue
        for node in getattr(definition, "body", ()):
            if name in _declared_names(node):
                yield inspect.getfile(owner), first + node.lineno - 1


def _declared_names(node: ast.stmt) -> list[str]:
    """Return the names that a statement in the body of a class declares."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
