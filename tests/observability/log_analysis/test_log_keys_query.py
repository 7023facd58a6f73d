"""SQL with log keys."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from observability.log_analysis.columns import COLUMNS, Columns
from observability.log_analysis.log_keys import SYNTAX_TREE, SqlQuery
from tests.observability.log_analysis.records import request, rows_of, write


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def parse_query(connection: duckdb.DuckDBPyConnection, sql: str) -> SqlQuery:
    (syntax_tree,) = connection.execute(SYNTAX_TREE, [sql]).fetchone() or ("{}",)
    return SqlQuery(sql, syntax_tree)


def rewritten(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    columns = Columns()
    columns.add("tenant")
    columns.add("log.file.path")
    return parse_query(connection, sql).rewrite(columns.find_name)


@pytest.mark.parametrize("key", [column.key for column in COLUMNS.values()])
def test_key_of_a_line_needs_no_quotes(connection: duckdb.DuckDBPyConnection, key: str) -> None:
    (name,) = [column.name for column in COLUMNS.values() if column.key == key]
    assert rewritten(connection, f"select {key} from records") == f'select "{name}" from records'


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('select "http.route" from requests', 'select "route" from requests'),
        ("select HTTP.Route from requests", 'select "route" from requests'),
        ("select requests.http.route from requests", 'select "requests"."route" from requests'),
        ("select r.http.route from requests r", 'select "r"."route" from requests r'),
        ('select r."http.route" from requests as r', 'select "r"."route" from requests as r'),
        ("select r.log.file.path from requests r", 'select "r"."log.file.path" from requests r'),
        (
            "select 'Łódź 车 😀', http.route from requests where url.path = 'ź' and user.id = '1'",
            "select 'Łódź 车 😀', \"route\" from requests where \"path\" = 'ź' and \"user_id\" = '1'",
        ),
        (
            "with slow as (select http.route r from requests) select r from slow order by 1",
            'with slow as (select "route" r from requests) select r from slow order by 1',
        ),
        (
            "select case http.response.status_code when 200 then 1 when 500 then 2 end from requests",
            'select case "status" when 200 then 1 when 500 then 2 end from requests',
        ),
        (
            "select 1 from requests order by db.query_count desc, -- user.id\n http.route",
            'select 1 from requests order by "query_count" desc, -- user.id\n "route"',
        ),
        (
            "select request_id from requests r where exists (from records o where o.user.id = r.user.id)",
            'select "request_id" from requests r where exists (from records o where "o"."user_id" = "r"."user_id")',
        ),
        (
            'select max(duration_ms) as "duration_ms" from requests group by http.route order by "duration_ms"',
            'select max("duration_ms") as "duration_ms" from requests group by "route" order by "duration_ms"',
        ),
        ("select unknown.key from requests", "select unknown.key from requests"),
        ("select * exclude (route) from requests", "select * exclude (route) from requests"),
    ],
)
def test_keys_are_replaced_by_column_names_everywhere(
    connection: duckdb.DuckDBPyConnection, sql: str, expected: str
) -> None:
    assert rewritten(connection, sql) == expected


@pytest.mark.parametrize("sql", ["create table t as select http.route from requests", "selec http.route", "", ";"])
def test_statement_other_than_select_is_not_changed(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert rewritten(connection, sql) == sql


def test_alias_is_not_a_reference(connection: duckdb.DuckDBPyConnection) -> None:
    query = parse_query(connection, "select sum(1) as n, tenant from requests group by tenant having n > 1 order by n")
    assert set(query.names()) == {"tenant"}


def test_column_with_an_alias_of_the_same_name_is_a_reference(connection: duckdb.DuckDBPyConnection) -> None:
    query = parse_query(connection, "select upper(tenant) as tenant from requests order by tenant")
    assert "tenant" in set(query.names())


def test_table_names_are_lower_case(connection: duckdb.DuckDBPyConnection) -> None:
    assert parse_query(connection, "select 1 from Requests join RECORDS using (request_id)").tables == {
        "requests",
        "records",
    }


@pytest.mark.parametrize(
    ("sql", "selects_all"),
    [
        ("select * from requests", True),
        ("from requests", True),
        ("select r.* from requests r", True),
        ("select count(*) from requests", False),
    ],
)
def test_select_star_is_detected(connection: duckdb.DuckDBPyConnection, sql: str, selects_all: bool) -> None:
    assert parse_query(connection, sql).selects_all is selects_all


def test_dotted_keys_have_values_in_the_result(log_dir: Path) -> None:
    write(log_dir, request(user__id="7", http__route="/Łódź/"))
    sql = (
        "with few as (select 'é' as letter, r.http.route, user.id, r.\"url.path\" p from requests r) "
        "select letter, route, user_id, p from few order by http.route"
    )
    assert rows_of(log_dir, sql) == [{"letter": "é", "route": "/Łódź/", "user_id": "7", "p": "/books/"}]
