"""The page of a JSON response in a real Chromium on the real development server."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import low_contrasts
from tests.observability.profiler.conftest import log_in_by_form
from tests.server import Server

LIST = "/api/v1/books/?page_size=3"


def test_api_url_shows_json_toolbar_and_query_count(server: Server, page: Page) -> None:
    response = page.goto(LIST)
    assert response is not None
    line = server.access_line(response.headers["x-request-id"])
    expect(page.locator("#json")).to_contain_text('"results": [')
    expect(page.locator("#query-count")).to_have_text(str(line["db.query_count"]))
    expect(page.locator("#request-id")).to_have_text(line["request_id"])
    expect(page.locator("#transaction")).to_have_text(line["db.transaction"])
    expect(page.locator("#djDebugToolbar")).to_be_visible()
    expect(page.locator("#djdt-SQLPanel small")).to_contain_text(f"{line['db.query_count']} queries")


def test_sql_panel_opens(page: Page) -> None:
    page.goto(LIST)
    page.locator("#djdt-SQLPanel a").click()
    expect(page.locator("#SQLPanel .djDebugPanelContent")).to_contain_text('FROM "probe_book"')


def test_script_of_the_page_gets_json(page: Page) -> None:
    # This ISBN comes after all books of the server, because other tests use the first pages of the list.
    isbn = f"979-{uuid4().hex[:12]}"
    page.goto(LIST)
    answer = page.evaluate(
        """async (isbn) => {
            const response = await fetch("/api/v1/auth/token/", {
                method: "POST",
                headers: {"Content-Type": "application/json"},
                body: JSON.stringify({username: "admin", password: "admin"}),
            });
            const {token} = await response.json();
            const written = await fetch("/api/v1/books/", {
                method: "POST",
                headers: {"Content-Type": "application/json", Authorization: `Token ${token}`},
                body: JSON.stringify({isbn}),
            });
            return [written.status, written.headers.get("Content-Type"), (await written.json()).isbn];
        }""",
        isbn,
    )
    assert answer == [201, "application/json", isbn]


def test_script_gets_json_from_the_url_of_the_page(page: Page) -> None:
    page.goto(LIST)
    count = page.evaluate("async (path) => (await (await fetch(path)).json()).results.length", LIST)
    assert count == 3


def test_link_in_a_value_opens_its_page(page: Page) -> None:
    page.goto(LIST)
    page.locator("#json a").first.click()
    expect(page).to_have_url(re.compile("page=2"))
    expect(page.locator("#json")).to_contain_text('"previous": "http://')


def test_error_is_a_page_with_the_toolbar(page: Page) -> None:
    response = page.goto("/api/v1/books/nope/")
    assert response is not None
    assert response.status == 404
    expect(page.locator("h1")).to_contain_text("404 Not Found")
    expect(page.locator("#djDebugToolbar")).to_be_visible()


def test_request_with_silk_has_no_toolbar(page: Page) -> None:
    page.goto(f"{LIST}&silk")
    expect(page.locator("#json")).to_contain_text('"results": [')
    expect(page.locator("#djDebug")).to_have_count(0)


def test_page_links_staff_to_the_silk_record(page: Page) -> None:
    log_in_by_form(page)
    page.goto(f"{LIST}&silk")
    page.locator("#observation a").click()
    expect(page.locator("body")).to_contain_text("/api/v1/books/")
    expect(page).to_have_url(re.compile("/silk/request/"))
    expect(page.locator("#djDebug")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_json_is_not_covered(page: Page, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(LIST)
    expect(page.locator("#djDebugToolbar")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    json, toolbar = page.locator("#json").bounding_box(), page.locator("#djDebugToolbar").bounding_box()
    assert json is not None
    assert toolbar is not None
    assert json["x"] + json["width"] <= toolbar["x"] or json["y"] + json["height"] <= toolbar["y"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colors_have_the_contrast_of_wcag_aa(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(LIST)
    assert low_contrasts(page) == {}
