"""What a developer sees: a real Chromium, on the real development server.

No test here touches the database itself: while Playwright runs, its thread counts as asynchronous for Django.
"""

import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import chromium, chromium_path
from tests.server import Server

LIST = "/api/v1/trucks/?page_size=3"
NOT_RUN = (
    "no Chromium (apt install chromium, or name it: CHROMIUM=/path): what a developer sees in a browser is not tested"
)

if chromium_path() is None and not os.environ.get("CI"):
    pytest.skip(NOT_RUN, allow_module_level=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium_path() is None:
        pytest.fail(NOT_RUN)
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: Server) -> Iterator[Page]:
    """A new window; the test fails where the browser complains of anything but the status that a test asked for."""
    context = browser.new_context(base_url=service.origin, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert [text for text in complaints if "responded with a status of" not in text] == []


def test_address_of_the_api_shows_json_toolbar_and_the_count_of_the_access_line(service: Server, page: Page) -> None:
    response = page.goto(LIST)
    assert response is not None
    line = service.access_line(response.headers["x-request-id"])
    expect(page.locator("#json")).to_contain_text('"results": [')
    expect(page.locator("#query-count")).to_have_text(str(line["db.query_count"]))
    expect(page.locator("#request-id")).to_have_text(line["request_id"])
    expect(page.locator("#transaction")).to_have_text(line["db.transaction"])
    expect(page.locator("#djDebugToolbar")).to_be_visible()
    expect(page.locator("#djdt-SQLPanel small")).to_contain_text(f"{line['db.query_count']} queries")


def test_panel_of_the_queries_opens(page: Page) -> None:
    page.goto(LIST)
    page.locator("#djdt-SQLPanel a").click()
    expect(page.locator("#SQLPanel .djDebugPanelContent")).to_contain_text('FROM "service_truck"')


def test_script_of_the_page_gets_plain_json(page: Page) -> None:
    page.goto(LIST)
    answer = page.evaluate(
        """async () => {
            const response = await fetch("/api/v1/auth/token/", {
                method: "POST",
                headers: {"Content-Type": "application/json"},
                body: JSON.stringify({username: "admin", password: "admin"}),
            });
            const {token} = await response.json();
            const written = await fetch("/api/v1/trucks/", {
                method: "POST",
                headers: {"Content-Type": "application/json", Authorization: `Token ${token}`},
                body: JSON.stringify({vin: "BR0WSER0000000001"}),
            });
            return [written.status, written.headers.get("Content-Type"), (await written.json()).vin];
        }"""
    )
    assert answer == [201, "application/json", "BR0WSER0000000001"]


def test_script_gets_json_from_the_address_that_was_just_shown_as_a_page(page: Page) -> None:
    page.goto(LIST)
    count = page.evaluate("async (path) => (await (await fetch(path)).json()).results.length", LIST)
    assert count == 3


def test_link_in_a_value_opens_its_page(page: Page) -> None:
    page.goto(LIST)
    page.locator("#json a").first.click()
    expect(page).to_have_url(re.compile("page=2"))
    expect(page.locator("#json")).to_contain_text('"previous": "http://')


def test_error_is_a_page_with_the_toolbar(page: Page) -> None:
    response = page.goto("/api/v1/trucks/nope/")
    assert response is not None
    assert response.status == 404
    expect(page.locator("h1")).to_contain_text("404 Not Found")
    expect(page.locator("#djDebugToolbar")).to_be_visible()


def test_request_under_silk_has_no_toolbar(page: Page) -> None:
    page.goto(f"{LIST}&silk")
    expect(page.locator("#json")).to_contain_text('"results": [')
    expect(page.locator("#djDebug")).to_have_count(0)


def test_page_leads_staff_to_the_record_of_silk(page: Page) -> None:
    page.goto("/admin/login/?next=/livez")
    page.fill("#id_username", "admin")
    page.fill("#id_password", "admin")
    page.click("[type=submit]")
    page.goto(f"{LIST}&silk")
    page.locator("#observation a").click()
    expect(page.locator("body")).to_contain_text("/api/v1/trucks/")
    expect(page).to_have_url(re.compile("/silk/request/"))
    expect(page.locator("#djDebug")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_lies_over_the_json(page: Page, scheme: str, width: int) -> None:
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
def test_colours_have_the_contrast_of_wcag_aa(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(LIST)
    ratios: dict[str, float] = page.evaluate(
        """() => {
            const luminance = (colour) => {
                const [r, g, b] = colour.match(/\\d+/g).slice(0, 3).map((value) => {
                    const part = value / 255;
                    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const behind = (element) => {
                const colour = getComputedStyle(element).backgroundColor;
                return colour !== "rgba(0, 0, 0, 0)" ? colour : behind(element.parentElement);
            };
            const ratio = (selector) => {
                const element = document.querySelector(selector);
                const pair = [luminance(getComputedStyle(element).color), luminance(behind(element))];
                return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
            };
            const selectors = [".key", ".text", ".text a", ".number", ".word", ".status", ".method", "dt", "dd"];
            return Object.fromEntries(selectors.map((selector) => [selector, ratio(selector)]));
        }"""
    )
    assert {selector: ratio for selector, ratio in ratios.items() if ratio < 4.5} == {}
