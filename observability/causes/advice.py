"""What usually mends a query that runs once for each row."""

import re

from observability.causes.cause import Cause
from observability.causes.declaration import queryset_owner
from observability.statement import plain

_advice_of_verbs = {
    "INSERT": "bulk_create(…) for all rows at once",
    "UPDATE": "one update(…), or bulk_update(…)",
    "DELETE": "one filter(…).delete() for all rows",
    r"SELECT (DISTINCT )?COUNT\(": "annotate(…=Count(…)) on the queryset, and read the annotation",
    "SELECT 1 FROM": "annotate(…=Exists(…)) on the queryset, or ask once before the loop for all rows",
}
_by_one_column = re.compile(r"WHERE \(?(\w+\.)?\w+ = %s\)?(?: LIMIT …)?$")


def advice(fingerprint: str, cause: Cause) -> str:
    """What one would try first for a statement that ran again and again for one reason, in a few words."""
    statement = plain(fingerprint)
    return _advice_by_verb(statement, is_raw=cause.is_raw) or _advice_by_relation(cause, statement)


def _advice_by_verb(statement: str, *, is_raw: bool) -> str:
    if is_raw:
        return "one statement before the loop: WHERE … IN (all of them), or a JOIN"
    return next((text for pattern, text in _advice_of_verbs.items() if re.match(pattern, statement)), "")


def _advice_by_relation(cause: Cause, statement: str) -> str:
    field = cause.field
    if field is not None and field.kind == "many":
        return f'prefetch_related("{_path(field.source)}") on {_queryset(cause)}'
    if cause.relation:
        return f'select_related("{_related(cause)}") on {_queryset(cause)}'
    if field is not None and field.kind == "method":
        return f"annotate(…) or prefetch_related(…) on {_queryset(cause)}: the method runs for each row"
    if _by_one_column.search(statement):
        return "select_related(…) for a foreign key, prefetch_related(…) for many; or one in_bulk(…) before the loop"
    return "prefetch_related(…) on the queryset, or one statement for all rows before the loop"


def _queryset(cause: Cause) -> str:
    """Which queryset: that of the view where a field of a serializer asked, and the view has one in the project."""
    owner = queryset_owner(cause.view) if cause.field is not None else None
    return "the queryset" if owner is None else f"the queryset of {owner.view} ({owner.place})"


def _path(source: str) -> str:
    return source.replace(".", "__")


def _related(cause: Cause) -> str:
    """The foreign key as the queryset names it: with those before it that the field's source follows."""
    parts = cause.field.source.split(".") if cause.field is not None else []
    return "__".join(parts[: parts.index(cause.relation) + 1]) if cause.relation in parts else cause.relation
