"""What usually mends a query that runs once for each row."""

import re

from observability.budgets.recording import Query
from observability.budgets.statement import plain

_advice_of_verbs = {
    "INSERT": "bulk_create(…) for all rows at once",
    "UPDATE": "one update(…), or bulk_update(…)",
    "DELETE": "one filter(…).delete() for all rows",
    r"SELECT (DISTINCT )?COUNT\(": "annotate(…=Count(…)) on the queryset, and read the annotation",
    "SELECT 1 FROM": "annotate(…=Exists(…)) on the queryset, or ask once before the loop for all rows",
}
_by_one_column = re.compile(r"WHERE \(?(\w+\.)?\w+ = %s\)?(?: LIMIT …)?$")


def advice(query: Query) -> str:
    """What one would try first, in a few words."""
    statement = plain(query.fingerprint)
    return _advice_by_verb(statement, is_raw=query.cause.is_raw) or _advice_by_relation(query, statement)


def _advice_by_verb(statement: str, *, is_raw: bool) -> str:
    if is_raw:
        return "one statement before the loop: WHERE … IN (all of them), or a JOIN"
    return next((text for pattern, text in _advice_of_verbs.items() if re.match(pattern, statement)), "")


def _advice_by_relation(query: Query, statement: str) -> str:
    cause, field = query.cause, query.cause.field
    if field is not None and field.kind == "many":
        return f'prefetch_related("{_path(field.source)}") on the queryset of the view'
    if cause.relation:
        return f'select_related("{_related(query)}") on the queryset'
    if field is not None and field.kind == "method":
        return "annotate(…) or prefetch_related(…) on the queryset: the method runs for each row"
    if _by_one_column.search(statement):
        return "select_related(…) for a foreign key, prefetch_related(…) for many; or one in_bulk(…) before the loop"
    return "prefetch_related(…) on the queryset, or one statement for all rows before the loop"


def _path(source: str) -> str:
    return source.replace(".", "__")


def _related(query: Query) -> str:
    """The foreign key as the queryset names it: with those before it that the field's source follows."""
    relation, field = query.cause.relation, query.cause.field
    parts = field.source.split(".") if field is not None else []
    return "__".join(parts[: parts.index(relation) + 1]) if relation in parts else relation
