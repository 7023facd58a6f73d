"""What a reader of a JSON page has to know of the answer: what of it is missing, and what is wrong with it."""

import json
from collections.abc import Iterator

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from observability.profiler.json_page.body import MAX_WAIT_S, Body


def notices(body: Body, text: str, problems: list[str], raw_address: str) -> SafeString:
    """A paragraph for each; `problems` are sentences about the charset, `raw_address` leads to the whole."""
    sentences = [*_of_body(body, raw_address), *problems]
    if text and not (body.is_cut or body.problem):
        sentences += _of_json(text)
    return format_html_join("", '<p class="notice">{}</p>', [(sentence,) for sentence in sentences])


def _of_body(body: Body, raw_address: str) -> Iterator[str]:
    if body.problem:
        yield f"The body is not what Content-Encoding says ({body.problem}). It is shown as far as it could be read."
    elif body.is_late and not body.data:
        yield format_html("Nothing of the body came within {} seconds. {}", f"{MAX_WAIT_S:.0f}", _way(raw_address))
    elif body.is_late:
        yield format_html("Only what came within {} seconds is shown. {}", f"{MAX_WAIT_S:.0f}", _way(raw_address))
    elif body.is_cut:
        yield format_html("Only the first MiB is shown. {}", _way(raw_address))
    elif not body.data:
        yield "The answer has no body."


def _way(raw_address: str) -> SafeString:
    if not raw_address:
        return mark_safe("A program (curl, fetch) gets all of it.")
    return format_html('<a href="{}">The raw answer</a> has all of it.', raw_address)


def _of_json(text: str) -> Iterator[str]:
    try:
        # Python refuses to read an integer of more than 4,300 digits, and reads three words that are no JSON.
        json.loads(text, parse_int=str, parse_constant=_refuse)
    except ValueError as error:
        yield f"The answer says that it is JSON, and is not: {error}."
    except RecursionError:
        # It is deeper than Python reads; what else it is nobody knows.
        return


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no value of JSON")
