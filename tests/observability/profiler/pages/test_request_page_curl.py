"""The request page: the curl command that repeats a request."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observability.profiler.body_text import BodyDocument
from observability.profiler.pages.request_page import to_curl, without_tools
from observability.profiler.profile_document import RequestDocument

ORIGIN = "http://127.0.0.1:8000"
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=40)


def sent(
    url: str = "/books/", headers: dict[str, str] | None = None, text: str = "", size: int | None = None
) -> RequestDocument:
    body: BodyDocument = {"text": text, "bytes": len(text.encode()) if size is None else size, "is_cut": False}
    return {"url": url, "headers": headers or {}, "body": body}


def words(command: str) -> list[str]:
    """Return the arguments that a shell passes to curl for this command."""
    script = f"""curl() {{ printf '%s\\0' curl "$@"; }}\n{command}\n"""
    result = subprocess.run(["sh", "-s"], input=script.encode(), capture_output=True, check=True)
    return result.stdout.decode().split("\0")[:-1]


def test_command_of_a_simple_get_is_short() -> None:
    headers = {"Host": "127.0.0.1", "User-Agent": "curl", "Accept": "*/*", "Content-Type": "text/plain"}
    assert to_curl(ORIGIN, "GET", sent("/books/?page=2", headers)) == f"curl -i '{ORIGIN}/books/?page=2'"


@settings(max_examples=50)  # each starts a shell
@given(texts, texts)
def test_shell_passes_the_original_request_to_curl(query: str, text: str) -> None:
    found = words(to_curl(ORIGIN, "POST", sent(f"/books/?q={query}", {"Content-Type": "application/json"}, text)))
    if found[4] == "-g":
        found.pop(4)
    assert found[:4] == ["curl", "-i", "-X", "POST"]
    assert found[4] == f"{ORIGIN}{without_tools(f'/books/?q={query}')}"
    assert found[5:] == ([] if not text else ["-H", "Content-Type: application/json", "--data-raw", text])


def test_head_request_uses_the_option_for_headers() -> None:
    assert words(to_curl(ORIGIN, "HEAD", sent()))[:3] == ["curl", "-i", "-I"]


def test_secret_header_is_a_shell_variable() -> None:
    assert '-H "Authorization: ${AUTHORIZATION}"' in to_curl(
        ORIGIN, "GET", sent(headers={"Authorization": "[redacted]"})
    )


def test_brackets_in_a_url_are_not_expanded() -> None:
    assert words(to_curl(ORIGIN, "GET", sent("/books/?page[size]=2")))[2:] == ["-g", f"{ORIGIN}/books/?page[size]=2"]


def test_secret_parameter_is_a_shell_variable() -> None:
    command = to_curl(ORIGIN, "GET", sent('/books/?q="$HOME`&access-token=[redacted]&page=2'))
    assert "access-token=${ACCESS_TOKEN}&page=2" in command
    assert words(f"ACCESS_TOKEN=hunter2\n{command}")[2:] == [f'{ORIGIN}/books/?q="$HOME`&access-token=hunter2&page=2']


@pytest.mark.parametrize("body", [sent(text='{"password": "[redacted]"}'), sent(size=5_000)])
def test_incompletely_stored_body_is_replaced_by_a_comment(body: RequestDocument) -> None:
    command = to_curl(ORIGIN, "POST", body)
    assert command.startswith("# The body (")
    assert "--data-raw" not in words(command)


def test_additional_headers_come_last() -> None:
    assert words(to_curl(ORIGIN, "GET", sent(), "X-Silk: a", "X-Toolbar: off"))[-4:] == [
        "-H", "X-Silk: a", "-H", "X-Toolbar: off"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "more", "found"),
    [
        ("/a/?profile&b=1&silk=2&toolbar=off&raw", {}, "/a/?b=1"),
        ("/a/?silk", {}, "/a/"),
        ("/a/?b=1", {"profile": "1"}, "/a/?b=1&profile=1"),
        ("/a/?profiles=1", {}, "/a/?profiles=1"),
        ("/a/", {"silk": "x"}, "/a/?silk=x"),
    ],
)
def test_parameters_for_developer_tools_are_removed_from_the_url(url: str, more: dict[str, str], found: str) -> None:
    assert without_tools(url, **more) == found
