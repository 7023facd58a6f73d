"""A real browser for the tests: the Chromium that the machine has; Playwright drives it, and downloads none."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str | None:
    """The program that CHROMIUM names, or the `chromium` of the machine; None where there is neither."""
    return shutil.which(os.environ.get("CHROMIUM") or "chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, until the block ends. While it runs, this thread counts as asynchronous for Django's database."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
