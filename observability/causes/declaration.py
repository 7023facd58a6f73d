"""Where something that a cause names is declared: the field of a serializer, the queryset of a view."""

import inspect
import re
import sys
from functools import cache
from typing import NamedTuple

from observability.causes.cause import Field, project_path


class QuerySetOwner(NamedTuple):
    """A view that has a queryset: its name without the module, and the file and line on which the queryset is made."""

    view: str
    place: str


@cache
def field_declaration(field: Field) -> str:
    """The file and line on which a field is declared, or those of its serializer; nothing where there is no file."""
    return _declaration(field.serializer, field.name.rpartition(".")[2])


@cache
def queryset_owner(view: str) -> QuerySetOwner | None:
    """The view of a cause (`module.View.handler`), where the project's code gives it a queryset; None otherwise."""
    dotted = view.rpartition(".")[0]
    for pattern in ("queryset", "def get_queryset"):
        place = _declaration(dotted, pattern)
        if place:
            return QuerySetOwner(dotted.rpartition(".")[2], place)
    return None


def _declaration(dotted: str, name: str) -> str:
    module, _, owner_name = dotted.rpartition(".")
    for owner in getattr(getattr(sys.modules.get(module), owner_name, None), "__mro__", ())[:-1]:
        try:
            lines, first = inspect.getsourcelines(owner)
        except (OSError, TypeError):
            continue
        for offset, line in enumerate(lines):
            if re.match(rf"\s+{re.escape(name)}\s*[:=(]", line):
                return f"{project_path(inspect.getfile(owner))}:{first + offset}"
    return ""
