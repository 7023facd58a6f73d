"""A question in SQL, with keys of the lines as they are: `http.response.status_code >= 500` needs no quotes."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from observability.logs.reading.columns import quoted

if TYPE_CHECKING:
    import duckdb


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
        self._aliases = {str(node["alias"]) for node in nodes if node.get("alias")}
        self.tables = {str(node["table_name"]) for node in nodes if node.get("type") == "BASE_TABLE"}
        self.references = [
            Reference(tuple(node["column_names"]), node["query_location"], node["query_location_length"])
            for node in nodes
            if node.get("class") == "COLUMN_REF"
        ]

    def names(self) -> Iterator[str]:
        """What may be the key of a line, or the name of a column: with a dot, also what follows a table's name."""
        for parts, *_ in self.references:
            if parts[0] in self._aliases and len(parts) == 1:
                continue
            yield ".".join(parts)
            if len(parts) > 1:
                yield parts[-1]
                yield ".".join(parts[1:])

    def rewritten(self, name_of: Callable[[str], str | None]) -> str:
        """The question with each key of the lines as the name of its column, which `name_of` tells."""
        text = self.sql.encode()
        for parts, start, length in sorted(self.references, key=lambda each: each.start, reverse=True):
            name, prefix = name_of(".".join(parts)), b""
            if name is None and len(parts) > 1:
                # What follows the name of a table.
                name, prefix = name_of(".".join(parts[1:])), quoted(parts[0]).encode() + b"."
            if name is not None:
                text = text[:start] + prefix + quoted(name).encode() + text[start + length :]
        return text.decode()


def _nodes(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any part of the tree
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item)
