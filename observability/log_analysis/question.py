"""A question in SQL, with keys of the lines as they are: `http.response.status_code >= 500` needs no quotes."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from observability.log_analysis.columns import quoted

if TYPE_CHECKING:
    import duckdb

# The parts of a SELECT in which a name may be one that the SELECT itself gives.
AFTER_SELECTING = frozenset({"group_expressions", "having", "qualify", "modifiers"})


class Reference(NamedTuple):
    """A column that the question names: the parts of the name, and where it stands, in bytes of UTF-8."""

    parts: tuple[str, ...]
    start: int
    length: int


class Question:
    """A SELECT as DuckDB's own parser understands it; of what that cannot parse it has no references."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", sql: str) -> None:
        self.sql = sql
        row = connection.execute("select json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        parsed: dict[str, Any] = json.loads(row[0]) if row else {}
        nodes = [] if parsed.get("error") else list(_nodes(parsed))
        self.asks_for_all = any(node.get("class") == "STAR" for node in nodes)
        tables = [node for node in nodes if node.get("type") == "BASE_TABLE"]
        self.table_count = len(tables)
        self.tables = {str(table["table_name"]).lower() for table in tables}
        # What stands before a dot for a table.
        self._prefixes = self.tables | {str(table["alias"]).lower() for table in tables}
        aliases = frozenset(str(node["alias"]).lower() for node in nodes if node.get("alias"))
        # A parser may make several of one, as of the column of `case column when 1 then … when 2 then …`.
        self.references = list(dict.fromkeys(_references(parsed, aliases))) if nodes else []

    def names(self) -> Iterator[str]:
        """What may be the key of a line, or the name of a column: with a dot, also what follows a table's name."""
        for parts, *_ in self.references:
            if not self._has_prefix(parts):
                yield ".".join(parts)
            if len(parts) > 1:
                yield ".".join(parts[1:])

    def rewritten(self, name_of: Callable[[str], str | None]) -> str:
        """The question with each key of the lines as the name of its column, which `name_of` tells."""
        text = self.sql.encode()
        for parts, start, length in sorted(self.references, key=lambda each: each.start, reverse=True):
            name, prefix = None if self._has_prefix(parts) else name_of(".".join(parts)), b""
            if name is None and len(parts) > 1:
                # What follows the name of a table.
                name, prefix = name_of(".".join(parts[1:])), quoted(parts[0]).encode() + b"."
            # What the parser made itself stands nowhere.
            if name is not None and start + length <= len(text):
                text = text[:start] + prefix + quoted(name).encode() + text[start + length :]
        return text.decode()

    def _has_prefix(self, parts: tuple[str, ...]) -> bool:
        return len(parts) > 1 and parts[0].lower() in self._prefixes


def _references(
    value: Any,  # noqa: ANN401 - any part of the tree
    aliases: frozenset[str],
    own: frozenset[str] = frozenset(),
    *,
    is_after: bool = False,
) -> Iterator[Reference]:
    """The columns that a tree names, but for what is a name that the question itself gives.

    `own` are the names that the SELECT around gives, which itself cannot use but for order and groups.
    """
    if isinstance(value, list):
        for item in value:
            yield from _references(item, aliases, own, is_after=is_after)
    elif isinstance(value, dict):
        if value.get("class") == "COLUMN_REF":
            parts = tuple(value["column_names"])
            first = parts[0].lower()
            if len(parts) > 1 or first not in aliases or (first in own and not is_after):
                yield Reference(parts, value["query_location"], value["query_location_length"])
            return
        if value.get("type") == "SELECT_NODE":
            own, is_after = frozenset(str(each.get("alias") or "").lower() for each in value["select_list"]), False
        for key, item in value.items():
            yield from _references(item, aliases, own, is_after=is_after or key in AFTER_SELECTING)


def _nodes(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - as above
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item)
