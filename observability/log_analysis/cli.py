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
  {program}                                      the last lines, then new lines while they are written
  {program} --level error --since 1h             errors of the last hour, then new ones
  {program} errors --since 1d                    failures of the last 24 hours, with an example of each
  {program} request 25e1ff3b81c41fbb             all lines of one request
  {program} top --by p95 --limit 5               the five slowest routes
  {program} top --where "status >= 500" --per user_agent
  {program} sql "select route, avg(query_count) from requests group by route"

Times are UTC. --since and --until accept a duration before now (90s, 15m, 2h, 7d), a time of today (14:30), or a date
(2026-11-26, 2026-11-26T14:30).
"""
MAX_NUMBER_DIGITS = 9
SIZE_UNITS = {None: 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_size = re.compile(r"(\d{1,12})(B|kB|KB|MB|GB|TB)?")


class MakeReport(Protocol):
    """A function that returns a report, sorted by `by` and with at most `limit` rows (0: all rows)."""

    def __call__(self, database: LogDatabase, terminal: Terminal, *, by: str, limit: int) -> Report: ...


class ReportCommand(NamedTuple):
    """A subcommand that prints a report. `orders` has the allowed values of --by, each with its column."""

    help: str
    orders: Mapping[str, str]
    default_order: str
    make: MakeReport


REPORTS = {
    "top": ReportCommand("requests by route: count, durations and failures", top.ORDERS, "time", top.top),
    "slow": ReportCommand("the slowest requests", slow.ORDERS, "time", slow.slow),
    "errors": ReportCommand(
        "failures by exception and source line, with an example of each", errors.ORDERS, "count", errors.errors
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
    """Run the subcommand of the parsed arguments. Raises LogAnalysisError, and BrokenPipeError if stdout is closed."""
    options = Options.from_arguments(arguments, default_paths)
    try:
        _run(options, output)
    except BrokenPipeError:
        raise
    except OSError as error:
        # For example: the disk is full, a permission is missing, or too many files are open.
        path = f"{error.filename}: " if error.filename else ""
        raise LogAnalysisError(f"{path}{error.strerror or error}.") from error


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
    parser.add_argument("--level", choices=LEVELS, type=str.lower, help="only lines of this level or a higher one")
    parser.add_argument("--logger", help="only lines of this logger and its children")
    parser.add_argument(
        "-n", "--lines", dest="line_count", type=_number, metavar="N",
        help=f"number of existing lines to print first (default: {DEFAULT_LINES}; with --since: all)",
    )  # fmt: skip
    parser.add_argument("--no-follow", action="store_true", help="print the existing lines and exit")
    parser.add_argument(
        "--json",
        dest="as_json",
        action="store_true",
        help="print JSON: the log lines, or one object per row of a report",
    )
    subcommands = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", title="subcommands")
    request_parser = subcommands.add_parser("request", help="all lines of one request, command or span, by its id")
    request_parser.add_argument(
        "request_id", metavar="ID",
        help=f"the X-Request-ID, trace id or Sentry event id, or at least its first {request.MIN_ID_LENGTH} characters",
    )  # fmt: skip
    _add_common(request_parser)
    _add_json(request_parser)
    for name, command in REPORTS.items():
        _add_report(subcommands.add_parser(name, help=command.help), name, command)
    _add_sql(subcommands.add_parser("sql", help="any SQL over the views requests, records and statements"))
    _add_prune(subcommands.add_parser("prune", help="delete the oldest rotated files"))


def _add_common(parser: argparse.ArgumentParser, *, is_main: bool = False) -> None:
    """Add the options of all subcommands except `prune`.

    They are allowed before the subcommand too, so the subcommand's parser must not reset them to their defaults.
    """
    default = None if is_main else argparse.SUPPRESS
    parser.add_argument(
        "--in", dest="paths", action="append", type=Path, metavar="PATH", default=default,
        help="read this directory of log files, or this log file; may be repeated",
    )  # fmt: skip
    for name, text in (("since", "only lines from this time on"), ("until", "only lines before this time")):
        parser.add_argument(f"--{name}", metavar="TIME", default=default, help=text)
    parser.add_argument(
        "--where", metavar="SQL", default="" if is_main else argparse.SUPPRESS,
        help='only lines that match this SQL condition, such as "http.response.status_code >= 500"',
    )  # fmt: skip
    parser.add_argument(
        "--column", dest="columns", action="append", metavar="NAME=KEY", default=default,
        help="for log files of other programs: read a column from this key (status=http_status); may be repeated",
    )  # fmt: skip


def _add_json(parser: "argparse.ArgumentParser | argparse._MutuallyExclusiveGroup") -> None:
    parser.add_argument(
        "--json", dest="as_json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object per row"
    )


def _add_report(parser: argparse.ArgumentParser, name: str, command: ReportCommand) -> None:
    _add_common(parser)
    _add_json(parser)
    parser.add_argument(
        "--by",
        choices=command.orders,
        default=command.default_order,
        help=f"sort by this, highest or latest first (default: {command.default_order})",
    )
    parser.add_argument(
        "--limit", type=_number, default=DEFAULT_ROWS, metavar="N", help="number of rows (default: %(default)s; 0: all)"
    )
    if name == "top":
        parser.add_argument(
            "--per",
            action="append",
            metavar="COLUMN",
            help="group by this column or log key instead of the route; may be repeated",
        )


def _add_sql(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sql", nargs="?", metavar="SELECT", help="the query; without it, the columns of the views are printed"
    )
    _add_common(parser)
    formats = parser.add_mutually_exclusive_group()
    _add_json(formats)
    formats.add_argument("--csv", dest="as_csv", action="store_true", help="print CSV")
    formats.add_argument("--parquet", type=Path, metavar="FILE", help="write a Parquet file")
    parser.add_argument(
        "--limit",
        type=_number,
        default=sql.DEFAULT_ROWS,
        metavar="N",
        help="rows of the table (default: %(default)s; 0: all)",
    )


def _add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--in", dest="paths", action="append", type=Path, metavar="PATH", default=argparse.SUPPRESS,
        help="prune this directory of log files, or this log; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--keep", metavar="TIME", help="delete rotated files whose last line is older than this, such as 30d"
    )
    parser.add_argument(
        "--max-size",
        dest="max_bytes",
        type=_bytes,
        metavar="SIZE",
        help="delete the oldest rotated files until all logs together have this size, such as 5GB",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the files that would be deleted, and delete nothing"
    )


def _number(text: str) -> int:
    if not text.isdigit() or len(text) > MAX_NUMBER_DIGITS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number. Allowed: 0 to {10**MAX_NUMBER_DIGITS - 1:,}")
    return int(text)


def _bytes(text: str) -> int:
    match = _size.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size. Allowed: a whole number with B, kB, MB, GB or TB, such as 500MB"
        )
    return int(match[1]) * SIZE_UNITS[match[2]]
