"""Takes the pictures of the documentation: the development service, and what Bugsink shows of a failure, in a real
browser. `bin/screenshots` runs it.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

from tests.bugsink import Bugsink, bugsink, why_not_installed
from tests.chromium import chromium, chromium_path
from tests.server import ROOT, Server, developing, is_listening, wait_for

IMAGES = ROOT / "docs" / "images"
PATH = "/api/v1/trucks/?status=driving&page_size=2"
FAILING_PATH = "/api/v1/trucks/status-counts/"
PORT = 8000


@contextmanager
def window(height: int) -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1280, "height": height}, color_scheme="light")


def take_json_page(service: Server) -> Path:
    """The page of a JSON answer, with the toolbar."""
    picture = IMAGES / "json-page.png"
    # The first request of a process takes longer than any other.
    service.get(PATH)
    with window(720) as page:
        page.goto(service.origin + PATH)
        page.reload()
        page.locator("#djDebugToolbar").wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=picture)
    return picture


def take_calls(probe: Server) -> list[Path]:
    """The list of calls, the page of one that repeats a query, the same call after the remedy, and a flame graph."""
    for path in ("/fleet/", PATH, FAILING_PATH, "/api/v1/trucks/NOPE/", "/probe/write-then-raise/lost/"):
        probe.get(path)
    slow, fixed = (profile_url(probe, path) for path in ("/fleet/", "/fleet/?fixed"))
    first, second = (url.split("/")[-2] for url in (slow, fixed))
    flame = profile_url(probe, "/fleet/?page_size=200&profile&toolbar=off")
    addresses = {
        "call": slow,
        "comparison": f"{probe.origin}/__debug__/requests/{first}/compare/{second}/",
        "calls": f"{probe.origin}/__debug__/requests/",
    }
    pictures = [picture(name, address, 760) for name, address in addresses.items()]
    return [*pictures, picture("flame-graph", f"{flame}#flame", 720)]


def profile_url(server: Server, path: str) -> str:
    url: str = server.get(path).headers["X-Profile-URL"]
    return url


def picture(name: str, address: str, height: int) -> Path:
    """A picture of a page, from where its address leads to."""
    path = IMAGES / f"{name}.png"
    with window(height) as page:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=path)
    return path


def take_event(service: Server, sentry: Bugsink) -> Path:
    """The event of a request that failed for a table that is not there, as after a forgotten migration."""
    picture = IMAGES / "bugsink-event.png"
    service.database.rows("ALTER TABLE service_truck RENAME TO service_lorry")
    request_id = service.get(FAILING_PATH).headers["X-Request-ID"]
    (event,) = wait_for(lambda: sentry.events_of(request_id), "the event")
    with window(1180) as page:
        page.goto(f"{sentry.origin}/issues/issue/{event['issue']}/event/{event['id']}/")
        page.locator("[name=username]").fill(sentry.access["login"])
        page.locator("[name=password]").fill(sentry.access["password"])
        page.locator("[name=password]").press("Enter")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=picture)
    return picture


def main() -> int:
    """Take them; 1 where there is no browser or no Bugsink."""
    if chromium_path() is None:
        sys.stderr.write("bin/screenshots needs Chromium: apt install chromium, or name it: CHROMIUM=/path.\n")
        return 1
    if reason := why_not_installed():
        sys.stderr.write(f"{reason}.\n")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, bugsink(Path(name) / "bugsink") as sentry:
        directory = Path(name) / "service"
        directory.mkdir()
        # The address and the file of the log are on the picture: they are those of `bin/run` where that is possible.
        port = None if is_listening(PORT) else PORT
        variables = {"LOG_DIR": str(directory / "var" / "log"), "SENTRY_DSN": sentry.dsn}
        with developing(directory, port, **variables) as service:
            pictures = [take_json_page(service), take_event(service, sentry)]
        others = Path(name) / "probe"
        others.mkdir()
        variables = {"LOG_DIR": str(others / "var" / "log"), "DJANGO_SETTINGS_MODULE": "tests.probe.development"}
        with developing(others, port, **variables) as probe:
            pictures += take_calls(probe)
    sys.stdout.writelines(f"Wrote {picture.relative_to(ROOT)}.\n" for picture in pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
