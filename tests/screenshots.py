"""Takes the pictures of the documentation: the development service in a real browser. `bin/screenshots` runs it."""

import sys
import tempfile
from pathlib import Path

from tests.chromium import chromium, chromium_path
from tests.server import ROOT, Server, developing, is_listening

IMAGES = ROOT / "docs" / "images"
PATH = "/api/v1/trucks/?status=driving&page_size=2"
PORT = 8000


def take(service: Server) -> Path:
    """The page of a JSON answer, with the toolbar."""
    picture = IMAGES / "json-page.png"
    IMAGES.mkdir(exist_ok=True)
    # The first request of a process takes longer than any other.
    service.get(PATH)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720}, color_scheme="light")
        page.goto(service.origin + PATH)
        page.reload()
        page.locator("#djDebugToolbar").wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=picture)
    return picture


def main() -> int:
    """Take them; 1 where there is no browser."""
    if chromium_path() is None:
        sys.stderr.write("bin/screenshots needs Chromium: apt install chromium, or name it: CHROMIUM=/path.\n")
        return 1
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        # The address and the file of the log are on the picture: they are those of `bin/run` where that is possible.
        port = None if is_listening(PORT) else PORT
        with developing(directory, port, LOG_DIR=str(directory / "var" / "log")) as service:
            picture = take(service)
    sys.stdout.write(f"Wrote {picture.relative_to(ROOT)}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
