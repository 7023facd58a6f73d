"""The arguments of `logs`, for manage.py and for `python -m observability.log_analysis` alike."""

import argparse
import re
from pathlib import Path
from typing import Any

from observability.log_analysis.reports import errors, routes, slow, statements, users

LEVELS = ("debug", "info", "warning", "error", "critical")
REPORTS = {
    "top": ("requests by route: how many, how slow, how many failed", routes.ORDERS, "time"),
    "slow": ("the slowest requests", slow.ORDERS, "time"),
    "errors": ("what failed, by exception and place, with an example of each", errors.ORDERS, "count"),
    "statements": ("the logged queries by statement, with the line of code that runs them", statements.ORDERS, "time"),
    "users": ("requests, failures and time by user", users.ORDERS, "requests"),
}
DEFAULT_LINES = 20
DEFAULT_LIMIT = 20
EXAMPLES = """
examples:
  {program}                                      the last lines, and what is added
  {program} --level error --since 1h             errors of the last hour, and those that come
  {program} errors --since 1d                    what failed today, with an example of each
  {program} request 25e1ff3b81c41fbb             all about one request
  {program} top --by p95 --limit 5               the five slowest routes
  {program} top --where "status >= 500" --per user_agent
  {program} sql "select route, avg(query_count) from requests group by route"

Times are UTC. --since and --until take a time ago (90s, 15m, 2h, 7d), a time of today (14:30), or a date
(2026-11-26, 2026-11-26T14:30).
"""
_size = re.compile(r"(\d{1,12})(B|kB|KB|MB|GB|TB)?")
FACTORS = {None: 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def add_arguments(parser: argparse.ArgumentParser, program: str) -> None:
    """Let a parser take what `logs` takes; what is left out has its default in the options."""
    parser.epilog = EXAMPLES.format(program=program)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_common(parser, is_main=True)
    parser.add_argument("--level", choices=LEVELS, type=str.lower, help="this level and above")
    parser.add_argument("--logger", help="this logger and those below it")
    parser.add_argument(
        "-n", "--lines", type=_number, metavar="N", help=f"how many lines to begin with ({DEFAULT_LINES}; --since: all)"
    )
    parser.add_argument("--no-follow", action="store_true", help="end with the last line that is there")
    parser.add_argument("--json", action="store_true", help="print JSON: the lines, or an object for each row")
    questions = parser.add_subparsers(dest="question", metavar="QUESTION", title="questions")
    request = questions.add_parser(
        "request", help="all about one request, by its X-Request-ID, or the first digits of it"
    )
    request.add_argument("id", help="the id of the request, of its trace, or of its event in Sentry")
    _add_common(request)
    _add_json(request)
    for name, (text, orders, order) in REPORTS.items():
        report = questions.add_parser(name, help=text)
        _add_common(report)
        _add_json(report)
        report.add_argument("--by", choices=orders, default=order, help=f"the order ({order})")
        report.add_argument(
            "--limit", type=_number, default=DEFAULT_LIMIT, metavar="N", help="rows (%(default)s; 0: all)"
        )
        if name == "top":
            report.add_argument(
                "--per", action="append", metavar="COLUMN", help="group by this instead of the route; may be repeated"
            )
    _add_sql(questions)
    _add_prune(questions)


def _add_common(parser: argparse.ArgumentParser, *, is_main: bool = False) -> None:
    """What all but `prune` take; before the name of a question too, which must not reset it."""
    nothing: Any = argparse.SUPPRESS
    parser.add_argument(
        "--in", dest="places", action="append", type=Path, metavar="PATH", default=None if is_main else nothing,
        help="a directory of logs, or a log; may be repeated",
    )  # fmt: skip
    for name, text in (("since", "lines from this time on"), ("until", "lines before this time")):
        parser.add_argument(f"--{name}", metavar="TIME", default=None if is_main else nothing, help=text)
    parser.add_argument(
        "--where", metavar="SQL", default="" if is_main else nothing,
        help='lines for which this holds, such as "http.response.status_code >= 500"',
    )  # fmt: skip
    parser.add_argument(
        "--column", dest="columns", action="append", metavar="NAME=KEY", default=None if is_main else nothing,
        help="the key that other lines than ours have for a column, such as status=http_status",
    )  # fmt: skip


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print a JSON object for each row"
    )


def _add_sql(questions: Any) -> None:  # noqa: ANN401 - argparse has no public name for it
    sql = questions.add_parser("sql", help="any question in SQL over requests, records and statements")
    sql.add_argument("sql", nargs="?", metavar="SELECT", help="left out: the columns there are")
    _add_common(sql)
    forms = sql.add_mutually_exclusive_group()
    forms.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print a JSON object for each row"
    )
    forms.add_argument("--csv", action="store_true", help="print CSV")
    forms.add_argument("--parquet", type=Path, metavar="FILE", help="write a Parquet file")
    sql.add_argument("--limit", type=_number, metavar="N", help="rows of the table (100; 0: all)")


def _add_prune(questions: Any) -> None:  # noqa: ANN401
    prune = questions.add_parser("prune", help="delete the oldest rotated files")
    prune.add_argument("--in", dest="places", action="append", type=Path, metavar="PATH", default=argparse.SUPPRESS)
    prune.add_argument("--keep", metavar="TIME", help="delete what ended before this long ago, such as 30d")
    prune.add_argument("--max-size", type=_bytes, metavar="SIZE", help="let all logs take this together, such as 5GB")
    prune.add_argument("--dry-run", action="store_true", help="tell what would be deleted")


def _number(written: str) -> int:
    if not written.isdigit() or len(written) > 9:  # noqa: PLR2004 - what nobody means
        raise argparse.ArgumentTypeError(f"{written!r} is no whole number from 0")
    return int(written)


def _bytes(written: str) -> int:
    match = _size.fullmatch(written)
    if match is None:
        raise argparse.ArgumentTypeError(f"{written!r} is no size such as 500MB or 5GB")
    return int(match[1]) * FACTORS[match[2]]
