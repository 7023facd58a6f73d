"""Log keys in SQL: each key of the lines is a column, and `http.response.status_code >= 500` needs no quotes.

DuckDB parses a query (`SqlQuery`). `add_named_columns` searches the logs for the keys that the query names.
`SqlQuery.rewrite` replaces each key in the query with the name of its column.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from observability.log_analysis.columns import VIEWS, Columns, quote_name
from observability.log_analysis.lines import Record, find_lines, parse_line, read_lines, read_lines_backwards
from observability.log_analysis.log_files import Log

# SQL that returns the `syntax_tree` of a query. Its parameter is the query.
SYNTAX_TREE = "select json_serialize_sql(?::VARCHAR)"
# The parts of a SELECT in which a name may be an alias of the same SELECT.
ALIAS_CLAUSES = frozenset({"group_expressions", "having", "qualify", "modifiers"})
# The number of lines at each end of a log that are searched for keys.
SAMPLE = 200

Node = dict[str, Any]


class ColumnReference(NamedTuple):
    """A column that a query names: the parts of its name, and its position in the query in bytes of UTF-8."""

    parts: tuple[str, ...]
    start: int
    length: int


class SqlQuery:
    """A SELECT and its references to columns. `syntax_tree` is the result of SYNTAX_TREE.

    If a query is not a SELECT, or DuckDB cannot parse it, it has no references and `rewrite` does not change it.
    """

    def __init__(self, sql: str, syntax_tree: str) -> None:
        self.sql = sql
        tree: Node = json.loads(syntax_tree)
        nodes = [] if tree.get("error") else list(_nodes(tree))
        self.selects_all = any(node.get("class") == "STAR" for node in nodes)
        tables = [node for node in nodes if node.get("type") == "BASE_TABLE"]
        self.table_count = len(tables)
        self.tables = {str(table["table_name"]).lower() for table in tables}
        # Names that mean a table if they come before a dot.
        self._prefixes = self.tables | {str(table["alias"]).lower() for table in tables}
        aliases = frozenset(str(node["alias"]).lower() for node in nodes if node.get("alias"))
        # The parser may repeat a reference, for example the operand of `case column when 1 then … when 2 then …`.
        self.references = list(dict.fromkeys(_references(tree, aliases))) if nodes else []

    def names(self) -> Iterator[str]:
        """Yield the possible names of keys and columns. For `table.key` this is also the part after the first dot."""
        for parts, *_ in self.references:
            if not self._has_prefix(parts):
                yield ".".join(parts)
            if len(parts) > 1:
                yield ".".join(parts[1:])

    def rewrite(self, find_name: Callable[[str], str | None]) -> str:
        """Return the query with each key replaced by the name of its column, which `find_name` returns."""
        text = self.sql.encode()
        for parts, start, length in sorted(self.references, key=lambda each: each.start, reverse=True):
            name, prefix = None if self._has_prefix(parts) else find_name(".".join(parts)), b""
            if name is None and len(parts) > 1:
                # The first part is the name of a table.
                name, prefix = find_name(".".join(parts[1:])), quote_name(parts[0]).encode() + b"."
            # References that the parser added have no position in the query.
            if name is not None and start + length <= len(text):
                text = text[:start] + prefix + quote_name(name).encode() + text[start + length :]
        return text.decode()

    def _has_prefix(self, parts: tuple[str, ...]) -> bool:
        return len(parts) > 1 and parts[0].lower() in self._prefixes


def _references(
    tree: object, aliases: frozenset[str], own_aliases: frozenset[str] = frozenset(), *, may_be_alias: bool = False
) -> Iterator[ColumnReference]:
    """Yield the columns that a syntax tree names, except aliases that the query defines.

    `own_aliases` are the aliases of the surrounding SELECT. Only its ALIAS_CLAUSES can use them.
    """
    if isinstance(tree, list):
        for item in tree:
            yield from _references(item, aliases, own_aliases, may_be_alias=may_be_alias)
    elif isinstance(tree, dict):
        if tree.get("class") == "COLUMN_REF":
            parts = tuple(tree["column_names"])
            first = parts[0].lower()
            if len(parts) > 1 or first not in aliases or (first in own_aliases and not may_be_alias):
                yield ColumnReference(parts, tree["query_location"], tree["query_location_length"])
            return
        if tree.get("type") == "SELECT_NODE":
            own_aliases = frozenset(str(each.get("alias") or "").lower() for each in tree["select_list"])
            may_be_alias = False
        for key, item in tree.items():
            yield from _references(item, aliases, own_aliases, may_be_alias=may_be_alias or key in ALIAS_CLAUSES)


def _nodes(tree: object) -> Iterator[Node]:
    if isinstance(tree, dict):
        yield tree
        for item in tree.values():
            yield from _nodes(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from _nodes(item)


def add_named_columns(columns: Columns, logs: Sequence[Log], names: Iterable[str]) -> None:
    """Add a column for each name that is not a column yet and is a key of some line."""
    for name in dict.fromkeys(names):
        if columns.find_name(name) is None and name not in VIEWS:
            values = list(islice(_find_values(name, columns, logs), SAMPLE))
            if values:
                columns.add(name, _column_type(values))


def add_sampled_columns(columns: Columns, logs: Sequence[Log]) -> None:
    """Add columns for all keys in the first and the last lines of each log."""
    values: dict[str, list[object]] = {}
    for record in _sample_records(columns, logs):
        for key, value in record.items():
            if value is not None:
                values.setdefault(key, []).append(value)
    for key, some in values.items():
        columns.add(key, _column_type(some))


def _sample_records(columns: Columns, logs: Sequence[Log]) -> Iterator[Record]:
    for log in logs:
        if log.files:
            lines = [
                *islice(read_lines_backwards(log.files[-1]), SAMPLE),
                *islice(read_lines(log.files[0]), SAMPLE),
            ]
            yield from filter(None, (parse_line(line, columns.time_key) for line in lines))


def _find_values(key: str, columns: Columns, logs: Sequence[Log]) -> Iterator[object]:
    """Yield the values of a key, newest file first."""
    # Some programs escape non-ASCII characters in keys.
    texts = {json.dumps(key, ensure_ascii=False).encode("utf-8", "replace"), json.dumps(key).encode()}
    for log in logs:
        for file in reversed(log.files):
            for text in texts:
                for line in find_lines(file, text):
                    value = (parse_line(line, columns.time_key) or {}).get(key)
                    if value is not None:
                        yield value


def _column_type(values: Iterable[object]) -> str:
    """Return the DuckDB type for values of a key; VARCHAR if they have different types."""
    types = set(map(_value_type, values))
    return types.pop() if len(types) == 1 else "VARCHAR"


def _value_type(value: object) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    # A key with a whole number in one line may have a fraction in another line.
    if isinstance(value, int | float):
        return "DOUBLE"
    return "VARCHAR" if isinstance(value, str) else "JSON"
