"""The profiler's pages in a real Chromium on the real development server."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import low_contrasts, window
from tests.observability.profiler.conftest import PANELS, log_in_by_form
from tests.other_service import other_service
from tests.server import Answer, Server

REQUESTS = "/__debug__/requests/"
# The interval in which the list refreshes itself: REFRESH_MS of requests.js.
REFRESH_MS = 2_000


def profile_of(answer: Answer) -> str:
    url: str = answer.headers["X-Profile-URL"]
    return url


def id_of(answer: Answer) -> str:
    return profile_of(answer).split("/")[-2]


def test_request_page_shows_the_origin_of_a_repeated_query_and_the_comparison_shows_the_fix(
    server: Server, page: Page
) -> None:
    page.goto(profile_of(server.get("/shelves/")))
    warning = page.locator(".notice.repeated")
    expect(warning.locator("h2")).to_contain_text("50 times SELECT")
    expect(warning.locator(".field")).to_contain_text(
        "tests.probe.shelves.ShelfSerializer.author (source='author.name')"
    )
    expect(warning.locator(".field .source")).to_have_text(re.compile(r"tests/probe/shelves\.py:\d+"))
    expect(warning.locator(".hint")).to_contain_text('select_related("author") on the queryset of Shelves')
    expect(page.locator("#steps .log")).to_contain_text("books_listed")
    expect(page.locator("#steps .log .keys")).to_have_text("books50token[redacted]")
    expect(page.locator("#query-count")).to_have_text("52")

    page.goto(profile_of(server.get("/shelves/?fixed")))
    expect(page.locator(".notice.repeated")).to_have_count(0)
    page.locator("#compare").click()
    expect(page.locator("h1")).to_have_text("50 fewer queries: 52 before, 2 after")
    gone = page.locator("#statements tr.gone").first
    expect(gone).to_contain_text("50×")
    expect(gone).to_contain_text("tests.probe.shelves.ShelfSerializer.author")
    expect(page.locator("#statements tr.new")).to_contain_text("JOIN probe_author")
    expect(page.locator("#totals")).to_contain_text("−50 (−96%)")


def test_post_from_a_page_of_another_origin_is_profiled_and_its_script_reads_the_profile_url(
    browser: Browser, server: Server
) -> None:
    with other_service() as other, window(browser, f"http://{other.host}", others=True) as page:
        page.goto("/status/200/")
        headers = page.evaluate(
            """async (url) => {
                const body = JSON.stringify({username: "admin", password: "wrong"});
                const answer = await fetch(url, {method: "POST", headers: {"Content-Type": "application/json"}, body});
                return ["X-Profile-URL", "X-Request-ID", "Server-Timing"].map((name) => answer.headers.get(name));
            }""",
            f"{server.origin}/api/v1/auth/token/",
        )
        profile_url, request_id, timing = headers
        assert request_id
        assert "total;dur=" in timing
        page.goto(f"{server.origin}{REQUESTS}?path=auth/token")
        first = page.locator("#requests tbody tr").first
        expect(first).to_contain_text("POST /api/v1/auth/token/")
        expect(first).to_contain_text("400")
        first.locator("a").click()
        expect(page).to_have_url(profile_url)
        expect(page.locator("#request-body")).to_contain_text('"password": "[redacted]"')


def test_list_refreshes_itself_and_keeps_the_focus(server: Server, page: Page) -> None:
    first = id_of(server.get("/api/v1/books/?page_size=1"))
    page.clock.install()
    page.goto(REQUESTS)
    page.locator(f"#request-{first} a").focus()
    second = id_of(server.get("/api/v1/books/?page_size=2"))
    page.clock.run_for(REFRESH_MS)
    expect(page.locator(f"#request-{second}")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('tr').id") == f"request-{first}"
    page.locator("#live").uncheck()
    third = id_of(server.get("/api/v1/books/?page_size=3"))
    page.clock.run_for(3 * REFRESH_MS)
    expect(page.locator(f"#request-{third}")).to_have_count(0)
    page.locator("#live").check()
    expect(page.locator(f"#request-{third}")).to_be_visible()


def test_row_keeps_the_focus_when_its_request_ends(server: Server, page: Page) -> None:
    profile_id = id_of(server.get("/api/v1/books/?page_size=1"))
    page.clock.install()
    page.goto(REQUESTS)
    row = page.locator(f"#request-{profile_id}")
    row.locator("a").focus()
    row.evaluate("row => row.dataset.state = 'running'")
    page.clock.run_for(REFRESH_MS)
    expect(row).to_have_attribute("data-state", "closed")
    expect(row.locator("a")).to_be_focused()


def test_latest_request_has_a_url(server: Server, page: Page) -> None:
    server.get("/api/v1/books/?page_size=7")
    page.goto(f"{REQUESTS}latest/")
    expect(page.locator("h1")).to_contain_text("GET /api/v1/books/?page_size=7")


def test_filters_select_requests_and_report_invalid_values(server: Server, page: Page) -> None:
    server.get("/api/v1/books/NOPE/")
    server.get("/api/v1/books/status-counts/")
    page.goto(REQUESTS)
    page.get_by_label("Path").fill("BOOKS/")
    page.get_by_label("Status").fill("4xx")
    page.keyboard.press("Enter")
    expect(page.locator("#requests tbody .status.ok")).to_have_count(0)
    expect(page.locator("#requests tbody tr").first).to_contain_text("/api/v1/books/NOPE/")
    page.get_by_label("Status").fill("bad")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text(
        "'bad' is not a status. Allowed: a status such as 404, or a class of statuses such as 5xx"
    )
    page.get_by_label("Status").fill("")
    page.get_by_label("Slower than").fill("600000")
    page.keyboard.press("Enter")
    expect(page.locator("caption")).to_have_text("No stored request matches the filter")
    page.get_by_text("Show all").click()
    expect(page.locator("#requests tbody .status.ok").first).to_be_visible()


@pytest.mark.parametrize("panel", PANELS)
def test_toolbar_panel_opens_on_the_page_of_its_request(server: Server, page: Page, panel: str) -> None:
    page.goto(profile_of(server.get("/api/v1/books/?page_size=4")))
    page.locator(f"#djdt-{panel} a").click()
    content = page.locator(f"#{panel} .djDebugPanelContent")
    expect(content).to_be_visible()
    expect(content.locator(".djdt-scroll > *").first).to_be_attached()
    expect(content).not_to_contain_text("isn't available anymore")


def test_page_of_a_rolled_back_request_says_that_no_change_is_stored(server: Server, page: Page) -> None:
    page.goto(profile_of(server.get("/write-then-raise/lost/")))
    expect(page.locator("#transaction")).to_have_text("rolled back: no change is stored")
    expect(page.locator("#exception h2")).to_contain_text("RuntimeError: after a write")
    expect(page.locator("#steps .rollback")).to_be_visible()


def test_outgoing_request_is_on_the_timeline(server: Server, page: Page) -> None:
    with other_service() as other:
        port = other.host.rpartition(":")[2]
        page.goto(profile_of(server.get(f"/sending/2/?port={port}")))
    expect(page.locator("#steps .http_client")).to_have_count(2)
    expect(page.locator("#steps .http_client").first).to_contain_text(f"GET {other.host} 200")
    expect(page.get_by_role("img", name="outgoing requests: 2")).to_be_visible()


def test_flame_graph_can_be_narrowed_to_a_frame(server: Server, page: Page) -> None:
    page.goto(profile_of(server.get("/api/v1/books/?page_size=200&profile&toolbar=off")))
    flame = page.get_by_role("group", name="Flame graph")
    bar = flame.locator("a", has=page.locator("text", has_text=re.compile(r"^BookViewSet\.list$")))
    # The page may be loaded before the request has ended.
    expect(bar).to_be_visible()
    expect(flame.locator("svg[opacity]")).to_have_count(0)
    before = flame.locator("a").count()
    bar.click()
    expect(page.get_by_text("show all")).to_be_visible()
    # The bars of the callers are above the frame. The number of bars may be the same by chance.
    expect(flame.locator("svg[opacity]")).not_to_have_count(0)
    page.get_by_text("show all").click()
    expect(page.get_by_role("group", name="Flame graph").locator("a")).to_have_count(before)
    with page.expect_download() as download:
        page.locator("#speedscope").click()
    assert download.value.suggested_filename.endswith(".speedscope.json")


def test_request_can_be_repeated_with_silk(server: Server, page: Page) -> None:
    log_in_by_form(page)
    url = profile_of(server.get("/api/v1/books/?page_size=6"))
    page.goto(url)
    page.locator("#repeat-silk").click()
    expect(page.locator("#json")).to_contain_text('"results": [')
    page.locator("#profile").click()
    expect(page.locator("#silk-record")).to_be_visible()
    page.goto(url)
    page.locator(".silk-repeat").click()
    expect(page).to_have_url(re.compile("/silk/request/"))
    expect(page.locator("body")).to_contain_text("/api/v1/books/")


@pytest.fixture(scope="module")
def addresses(server: Server) -> dict[str, str]:
    """Return a URL for each kind of page."""
    slow, fixed = server.get("/shelves/?profile"), server.get("/shelves/?fixed")
    failed = server.get("/write-then-raise/looked-at/")
    return {
        "list": REQUESTS,
        "request": profile_of(slow),
        "failed request": profile_of(failed),
        "comparison": f"{REQUESTS}{id_of(slow)}/compare/{id_of(fixed)}/",
        "missing": f"{REQUESTS}0123456789abcdef/",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", ["list", "request", "failed request", "comparison", "missing"])
def test_page_is_readable(page: Page, addresses: dict[str, str], kind: str, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(addresses[kind])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert low_contrasts(page) == {}


def test_toolbar_does_not_cover_the_page_of_a_request(server: Server, page: Page) -> None:
    page.goto(profile_of(server.get("/api/v1/books/?page_size=3")))
    toolbar = page.locator(
        "#djDebugToolbar"
    ).bounding_box()  # waits, because the page of a running request has no toolbar
    content = page.locator("#content").bounding_box()
    assert content is not None
    assert toolbar is not None
    assert content["x"] + content["width"] <= toolbar["x"]


@pytest.fixture
def without_script(browser: Browser, server: Server) -> Iterator[Page]:
    with window(browser, server.origin, javascript=False) as page:
        yield page


def test_pages_work_without_scripts(without_script: Page, addresses: dict[str, str]) -> None:
    page = without_script
    page.goto(f"{REQUESTS}?path=shelves")
    page.get_by_role("button", name="Filter").click()
    page.locator("#requests tbody a", has_text="profile").first.click()
    expect(page).to_have_url(re.compile(re.escape(addresses["request"])))
    expect(page.locator(".notice.repeated")).to_be_visible()
    expect(page.get_by_role("group", name="Flame graph")).to_be_visible()
    page.locator("#steps summary").first.click()
    expect(page.locator("#steps pre").first).to_be_visible()
    page.goto(addresses["comparison"])
    expect(page.locator("#statements tr.gone").first).to_be_visible()


def test_pages_can_be_used_with_the_keyboard(page: Page, addresses: dict[str, str]) -> None:
    page.goto(addresses["list"])
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    expect(page.get_by_text("Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('tbody') !== null"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#facts")).to_be_visible()
