"""Take the screenshots of the documentation: the probe's development server and an event in Bugsink.

`bin/screenshots` runs it. It uses a real browser.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

from tests.bugsink import Project, bugsink, why_not_installed
from tests.chromium import chromium, chromium_path
from tests.server import ROOT, Server, developing, is_listening, wait_for

IMAGES = ROOT / "docs" / "images"
LIST = "/api/v1/books/?page_size=2"
FAILING = "/api/v1/books/status-counts/"
PORT = 8000


@contextmanager
def window(height: int) -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1280, "height": height}, color_scheme="light")


def take_json_page(server: Server) -> Path:
    """Take the page of a JSON response with the toolbar."""
    # The first request of a process takes longer than the others.
    server.get(LIST)
    picture = IMAGES / "json-page.png"
    with window(720) as page:
        page.goto(server.origin + LIST)
        page.reload()
        page.locator("#djDebugToolbar").wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=picture)
    return picture


def take_requests(server: Server) -> list[Path]:
    """Take the list of requests, a request with repeated queries, its comparison with the fix, and a flame graph."""
    for path in ("/shelves/", LIST, FAILING, "/api/v1/books/nope/", "/write-then-raise/lost/"):
        server.get(path)
    slow, fixed = (profile_url(server, path) for path in ("/shelves/", "/shelves/?fixed"))
    first, second = (url.split("/")[-2] for url in (slow, fixed))
    flame = profile_url(server, "/shelves/?page_size=200&profile&toolbar=off")
    addresses = {
        "request": slow,
        "comparison": f"{server.origin}/__debug__/requests/{first}/compare/{second}/",
        "requests": f"{server.origin}/__debug__/requests/",
    }
    pictures = [picture(name, address, 760) for name, address in addresses.items()]
    return [*pictures, picture("flame-graph", f"{flame}#flame", 720)]


def profile_url(server: Server, path: str) -> str:
    url: str = server.get(path).headers["X-Profile-URL"]
    return url


def picture(name: str, address: str, height: int) -> Path:
    """Take a page, starting at the element in the fragment of its address."""
    path = IMAGES / f"{name}.png"
    with window(height) as page:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=path)
    return path


def take_event(server: Server, project: Project) -> Path:
    """Take the event of a request that failed because a table is missing, like after a forgotten migration."""
    server.database.rows("ALTER TABLE probe_book RENAME TO probe_volume")
    request_id = server.get(FAILING).headers["X-Request-ID"]
    (event,) = wait_for(lambda: project.events_of(request_id), "the event")
    picture = IMAGES / "bugsink-event.png"
    with window(1180) as page:
        page.goto(f"{project.server.origin}/issues/issue/{event['issue']}/event/{event['id']}/")
        page.locator("[name=username]").fill(project.server.access["login"])
        page.locator("[name=password]").fill(project.server.access["password"])
        page.locator("[name=password]").press("Enter")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=picture)
    return picture


def main() -> int:
    """Take all screenshots. Return 1 if Chromium or Bugsink is not available."""
    if chromium_path() is None:
        sys.stderr.write("bin/screenshots needs Chromium: apt install chromium, or set CHROMIUM to its path.\n")
        return 1
    if reason := why_not_installed():
        sys.stderr.write(f"bin/screenshots: {reason}\n")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, bugsink(Path(name) / "bugsink") as sentry:
        project = sentry.new_project()
        directory = Path(name) / "probe"
        directory.mkdir()
        # The screenshots show the address, so use the port of `bin/run` if it is free.
        port = None if is_listening(PORT) else PORT
        variables = {"LOG_DIR": str(directory / "var" / "log"), "SENTRY_DSN": project.dsn}
        with developing(directory, port, **variables) as server:
            # The event comes last, because it removes a table.
            pictures = [take_json_page(server), *take_requests(server), take_event(server, project)]
    sys.stdout.writelines(f"Wrote {picture.relative_to(ROOT)}.\n" for picture in pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
