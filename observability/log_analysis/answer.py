"""Answering `logs`: from the arguments to what is written on the terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from observability.log_analysis import request, retention
from observability.log_analysis.asked import Asked, Options, Output, json_of
from observability.log_analysis.columns import Columns
from observability.log_analysis.database import Database
from observability.log_analysis.follow import follow
from observability.log_analysis.lines import dumped
from observability.log_analysis.mistake import ReadingError
from observability.log_analysis.numbers import items, size
from observability.log_analysis.reports.errors import errors
from observability.log_analysis.reports.report import Report
from observability.log_analysis.reports.routes import routes
from observability.log_analysis.reports.slow import slow
from observability.log_analysis.reports.statements import statements
from observability.log_analysis.reports.users import users
from observability.log_analysis.sql import answer_sql
from observability.log_analysis.times import Span, duration

__all__ = ["Output", "answer"]


def answer(options: Options, output: Output, default_places: Sequence[Path]) -> None:
    """Answer what was asked. Raises ReadingError for what cannot be answered, and BrokenPipeError as it comes."""
    try:
        _answer(options, output, default_places)
    except BrokenPipeError:
        raise
    except OSError as error:
        # No space for what does not fit into memory, no permission, a file too many.
        where = f"{error.filename}: " if error.filename else ""
        raise ReadingError(f"{where}{error.strerror or error}.") from error


def _answer(options: Options, output: Output, default_places: Sequence[Path]) -> None:
    question = options.get("question")
    if question == "prune":
        prune(options, output, default_places)
        return
    asked = Asked.of(options, default_places)
    if question is None:
        follow(asked, options, output)
    elif question == "request":
        one_request(asked, options, output)
    elif question == "sql":
        answer_sql(asked, options, output)
    else:
        with asked.database(output) as database:
            show(_report(question, database, options, output), options, output)


def _report(question: str, database: Database, options: Options, output: Output) -> Report:
    by, limit = options["by"], options["limit"]
    if question == "top":
        per = options.get("per") or ("method", "route")
        return routes(database, output.terminal, by=by, limit=limit, per=per)
    reports = {"slow": slow, "errors": errors, "statements": statements, "users": users}
    return reports[question](database, output.terminal, by=by, limit=limit)


def show(report: Report, options: Options, output: Output) -> None:
    """A report as a text, or as an object for each row."""
    if options.get("json"):
        for row in report.rows:
            output.write(json_of(row))
        return
    output.write(report.summary)
    if report.lines:
        output.write("")
    for line in report.lines:
        output.write(line)
    if report.more:
        output.write(f"… and {report.more:,} more: --limit 0 shows all.")


def one_request(asked: Asked, options: Options, output: Output) -> None:
    with asked.logs(output) as logs:
        works = request.find(logs, asked.columns, asked.span, options["id"])
    if not works:
        raise ReadingError(
            f"No line has the id {options['id']!r}: its lines are deleted, not written yet, or of another machine."
        )
    for number, records in enumerate(works):
        if options.get("json"):
            for record in records:
                output.write(dumped(record))
            continue
        if number:
            output.write("")
        for line in request.told(records, asked.columns, output.terminal):
            output.write(line)


def prune(options: Options, output: Output, default_places: Sequence[Path]) -> None:
    """Delete the oldest rotated files, and say which."""
    keep = duration(options["keep"], "--keep") if options.get("keep") else None
    max_bytes = options.get("max_size")
    if keep is None and max_bytes is None:
        raise ReadingError("Say how much is to be kept: --keep 30d, --max-size 5GB, or both.")
    asked = Asked(tuple(options.get("places") or default_places), Columns(), Span(), "")
    is_trial = bool(options.get("dry_run"))
    # A log keeps the files behind one that stays, or it would have a gap.
    failed: set[Path] = set()
    with asked.logs(output) as logs:
        total = sum(segment.size for log in logs for segment in log.segments)
        for each in retention.doomed(logs, keep=keep, max_bytes=max_bytes, now=datetime.now(UTC)):
            if each.log.path in failed:
                continue
            what = f"{each.segment.path} ({size(each.segment.size)}, until {each.until:%Y-%m-%d %H:%M} UTC)"
            try:
                is_gone = is_trial or retention.delete(each)
            except OSError as error:
                failed.add(each.log.path)
                output.say(f"{what} was not deleted: {error.strerror or error}.")
                continue
            if is_gone:
                total -= each.segment.size
                output.write(f"{'would delete' if is_trial else 'deleted'} {what}")
        output.write(f"{size(total)} {'would be' if is_trial else 'are'} kept in {items(len(logs), 'log')}.")
    if failed:
        raise ReadingError("Not all could be deleted.")
