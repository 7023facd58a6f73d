"""Where something that a cause names is declared: the field of a serializer, the queryset of a view."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from observability.causes.cause import Field, project_path


class QuerySetOwner(NamedTuple):
    """A view that has a queryset: its name without the module, and the file and line on which the queryset is made."""

    view: str
    place: str


@cache
def field_declaration(field: Field) -> str:
    """Return the file and line on which a field is declared, or an empty string."""
    name = field.name.rpartition(".")[2]
    return next((f"{project_path(file)}:{line}" for file, line in _declarations(field.serializer, name)), "")


@cache
def queryset_owner(view: str) -> QuerySetOwner | None:
    """Return the view of a cause (`module.View.handler`) if the project's code gives it a queryset, or None."""
    dotted = view.rpartition(".")[0]
    for name in ("queryset", "get_queryset"):
        for file, line in _declarations(dotted, name):
            path = project_path(file)
            # Views of DRF have both, too.
            if path != file:
                return QuerySetOwner(dotted.rpartition(".")[2], f"{path}:{line}")
    return None


def _declarations(dotted: str, name: str) -> Iterator[tuple[str, int]]:
    """Find the file and line of an attribute or method in the body of a class and of each class that it inherits."""
    module, _, owner_name = dotted.rpartition(".")
    for owner in getattr(getattr(sys.modules.get(module), owner_name, None), "__mro__", ())[:-1]:
        try:
            lines, first = inspect.getsourcelines(owner)
            (definition,) = ast.parse(textwrap.dedent("".join(lines))).body
        except (OSError, TypeError, ValueError, SyntaxError):
            continue
        for node in getattr(definition, "body", ()):
            if name in _names(node):
                yield inspect.getfile(owner), first + node.lineno - 1


def _names(node: ast.stmt) -> list[str]:
    """Return the names that a statement in the body of a class gives."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
