"""The command line of `logs`, the same for `manage.py logs` and `python -m observability.log_analysis`."""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.duckdb_views import LogDatabase
from observability.log_analysis.follow import follow
from observability.log_analysis.options import DEFAULT_LINES, DEFAULT_ROWS, LEVELS, Options
from observability.log_analysis.prune import prune
from observability.log_analysis.reports import Report, errors, request, slow, sql, statements, top, users, write_report
from observability.log_analysis.terminal import Output, Terminal

EXAMPLES = """
examples:
  {program}                                      the last lines, then new lines as they are written
  {program} --level error --since 1h             errors of the last hour, then new ones
  {program} errors --since 1d                    what failed today, with an example of each
  {program} request 25e1ff3b81c41fbb             all lines of one request
  {program} top --by p95 --limit 5               the five slowest routes
  {program} top --where "status >= 500" --per user_agent
  {program} sql "select route, avg(query_count) from requests group by route"

Times are UTC. --since and --until take a time ago (90s, 15m, 2h, 7d), a time of today (14:30), or a date
(2026-11-26, 2026-11-26T14:30).
"""
MAX_NUMBER_DIGITS = 9
SIZE_UNITS = {None: 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_size = re.compile(r"(\d{1,12})(B|kB|KB|MB|GB|TB)?")


class MakeReport(Protocol):
    """The function that makes a report: its order is `by`, its number of rows is `limit` (0: all)."""

    def __call__(self, database: LogDatabase, terminal: Terminal, *, by: str, limit: int) -> Report: ...


class ReportCommand(NamedTuple):
    """A subcommand that prints a report: its help, the values of --by, the default of --by, and the function."""

    help: str
    orders: Mapping[str, str]
    default_order: str
    make: MakeReport


REPORTS = {
    "top": ReportCommand("requests by route: count, durations and failures", top.ORDERS, "time", top.top),
    "slow": ReportCommand("the slowest requests", slow.ORDERS, "time", slow.slow),
    "errors": ReportCommand(
        "failures by exception and place, with an example of each", errors.ORDERS, "count", errors.errors
    ),
    "statements": ReportCommand(
        "logged queries by statement, with the line of code that runs them",
        statements.ORDERS,
        "time",
        statements.statements,
    ),
    "users": ReportCommand("requests, failures and time by user", users.ORDERS, "requests", users.users),
}


def run(arguments: Mapping[str, Any], output: Output, default_paths: Sequence[Path]) -> None:
    """Run the subcommand of parsed arguments. Raises LogAnalysisError, and BrokenPipeError unchanged."""
    options = Options.from_arguments(arguments, default_paths)
    try:
        _run(options, output)
    except BrokenPipeError:
        raise
    except OSError as error:
        # The disk is full, a permission is missing, too many files are open.
        where = f"{error.filename}: " if error.filename else ""
        raise LogAnalysisError(f"{where}{error.strerror or error}.") from error


def _run(options: Options, output: Output) -> None:
    match options.subcommand:
        case None:
            follow(options, output)
        case "request":
            request.write_request(options, output)
        case "sql":
            sql.run_sql(options, output)
        case "prune":
            prune(options, output)
        case name:
            with options.open_database(output) as database:
                by, limit = options.by, options.limit
                if name == "top" and options.per:
                    report = top.top(database, output.terminal, by=by, limit=limit, per=options.per)
                else:
                    report = REPORTS[name].make(database, output.terminal, by=by, limit=limit)
                write_report(report, output, as_json=options.as_json)


def add_arguments(parser: argparse.ArgumentParser, program: str) -> None:
    """Add the arguments of `logs` to a parser. Their `dest` is the name of a field of `Options`."""
    parser.epilog = EXAMPLES.format(program=program)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_common(parser, is_main=True)
    parser.add_argument("--level", choices=LEVELS, type=str.lower, help="this level and higher ones")
    parser.add_argument("--logger", help="this logger and its children")
    parser.add_argument(
        "-n", "--lines", dest="line_count", type=_number, metavar="N",
        help=f"how many of the last lines to print first ({DEFAULT_LINES}; with --since: all)",
    )  # fmt: skip
    parser.add_argument("--no-follow", action="store_true", help="exit after the last line, do not wait for new lines")
    parser.add_argument(
        "--json", dest="as_json", action="store_true", help="print JSON: the lines, or one object per row"
    )
    subcommands = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", title="subcommands")
    parser_of_request = subcommands.add_parser("request", help="all lines of one request, by its X-Request-ID")
    parser_of_request.add_argument(
        "request_id", metavar="ID",
        help=f"the id of the request, trace or Sentry event, or its first {request.MIN_ID_LENGTH} characters or more",
    )  # fmt: skip
    _add_common(parser_of_request)
    _add_json(parser_of_request)
    for name, command in REPORTS.items():
        _add_report(subcommands.add_parser(name, help=command.help), name, command)
    _add_sql(subcommands.add_parser("sql", help="any SQL over the views requests, records and statements"))
    _add_prune(subcommands.add_parser("prune", help="delete the oldest rotated files"))


def _add_common(parser: argparse.ArgumentParser, *, is_main: bool = False) -> None:
    """Add what all subcommands but `prune` take; it may stand before the subcommand, which must not reset it then."""
    default = None if is_main else argparse.SUPPRESS
    parser.add_argument(
        "--in", dest="paths", action="append", type=Path, metavar="PATH", default=default,
        help="a directory of logs, or one log; may be repeated",
    )  # fmt: skip
    for name, text in (("since", "lines from this time on"), ("until", "lines before this time")):
        parser.add_argument(f"--{name}", metavar="TIME", default=default, help=text)
    parser.add_argument(
        "--where", metavar="SQL", default="" if is_main else argparse.SUPPRESS,
        help='lines that fulfil this condition, such as "http.response.status_code >= 500"',
    )  # fmt: skip
    parser.add_argument(
        "--column", dest="columns", action="append", metavar="NAME=KEY", default=default,
        help="the key of a column in lines of other programs, such as status=http_status; may be repeated",
    )  # fmt: skip


def _add_json(parser: "argparse.ArgumentParser | argparse._MutuallyExclusiveGroup") -> None:
    parser.add_argument(
        "--json", dest="as_json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object per row"
    )


def _add_report(parser: argparse.ArgumentParser, name: str, command: ReportCommand) -> None:
    _add_common(parser)
    _add_json(parser)
    parser.add_argument(
        "--by", choices=command.orders, default=command.default_order, help=f"the order ({command.default_order})"
    )
    parser.add_argument(
        "--limit", type=_number, default=DEFAULT_ROWS, metavar="N", help="number of rows (%(default)s; 0: all)"
    )
    if name == "top":
        parser.add_argument(
            "--per", action="append", metavar="COLUMN", help="group by this instead of the route; may be repeated"
        )


def _add_sql(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sql", nargs="?", metavar="SELECT", help="without it: print the columns of the views")
    _add_common(parser)
    formats = parser.add_mutually_exclusive_group()
    _add_json(formats)
    formats.add_argument("--csv", dest="as_csv", action="store_true", help="print CSV")
    formats.add_argument("--parquet", type=Path, metavar="FILE", help="write a Parquet file")
    parser.add_argument(
        "--limit", type=_number, default=sql.DEFAULT_ROWS, metavar="N", help="rows of the table (%(default)s; 0: all)"
    )


def _add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--in", dest="paths", action="append", type=Path, metavar="PATH", default=argparse.SUPPRESS,
        help="a directory of logs, or one log; may be repeated",
    )  # fmt: skip
    parser.add_argument("--keep", metavar="TIME", help="delete files whose last line is older, such as 30d")
    parser.add_argument(
        "--max-size", dest="max_bytes", type=_bytes, metavar="SIZE", help="the size of all logs together, such as 5GB"
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be deleted")


def _number(text: str) -> int:
    if not text.isdigit() or len(text) > MAX_NUMBER_DIGITS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _bytes(text: str) -> int:
    match = _size.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500MB or 5GB")
    return int(match[1]) * SIZE_UNITS[match[2]]
