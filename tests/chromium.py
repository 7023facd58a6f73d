"""A real browser for the tests: the installed Chromium, controlled by Playwright. Playwright downloads no browser."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

from playwright.sync_api import Browser, Page, sync_playwright

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
    """Return the program in CHROMIUM, or `chromium` on the PATH; None if it does not exist."""
    return shutil.which(os.environ.get("CHROMIUM") or "chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser until the block ends. In the block, Django does not allow database access in this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class SharedBrowser:
    """One browser for many tests of a process. The first `used()` starts it, `close()` stops it.

    Playwright marks its event loop as running in the thread of the browser, also between two calls. Django does not
    allow database access in such a thread. Therefore the mark is removed after each use and set before the next one.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._browser: Browser | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def used(self) -> Iterator[Browser]:
        """Give the browser to the block. The block must not use the database."""
        asyncio._set_running_loop(self._loop)
        try:
            if self._browser is None:
                self._browser = self._stack.enter_context(chromium())
                self._loop = asyncio.get_running_loop()
            yield self._browser
        finally:
            asyncio._set_running_loop(None)

    def close(self) -> None:
        asyncio._set_running_loop(self._loop)
        try:
            self._stack.close()
        finally:
            asyncio._set_running_loop(None)


@contextmanager
def window(browser: Browser, origin: str, *, javascript: bool = True, others: bool = False) -> Iterator[Page]:
    """Open a browser window for the paths of this origin until the block ends.

    Fail if the browser reports an error other than an HTTP status. Fail if it sends a request to another host, and
    `others` is false.
    """
    context = browser.new_context(
        base_url=origin, viewport={"width": 1280, "height": 800}, java_script_enabled=javascript
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    requested: set[str] = set()
    page.on("request", lambda request: requested.add(request.url))
    yield page
    context.close()
    assert [text for text in errors if "responded with a status of" not in text] == []
    assert others or {url for url in requested if not url.startswith((f"{origin}/", "data:"))} == set()


def low_contrasts(page: Page) -> dict[str, float]:
    """Return the visible text elements with a contrast below 4.5 (WCAG AA), with their contrast."""
    return cast("dict[str, float]", page.evaluate(LOW_CONTRASTS))


LOW_CONTRASTS = """() => {
    const luminance = (color) => {
        const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((value) => {
            const part = value / 255;
            return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        if (element === null) return "rgb(255, 255, 255)";
        const color = getComputedStyle(element).backgroundColor;
        return color !== "rgba(0, 0, 0, 0)" ? color : behind(element.parentElement);
    };
    const ratio = (element) => {
        const style = getComputedStyle(element);
        const drawn = element.closest("svg") ? style.fill : style.color;
        const below = element.parentElement.querySelector(":scope > rect");
        const pair = [luminance(drawn), luminance(below ? getComputedStyle(below).fill : behind(element))];
        return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    };
    const found = {};
    for (const element of document.querySelectorAll("body *")) {
        if (element.tagName === "title" || !element.getClientRects().length) continue;
        const isText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        const name = `${element.tagName} ${element.textContent.trim().slice(0, 40)}`;
        if (isText && ratio(element) < 4.5) found[name] = ratio(element);
    }
    return found;
}"""
