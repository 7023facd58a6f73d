"""The browser that all tests of a process share."""

import pytest

from tests.chromium import SharedBrowser
from tests.probe.models import Publisher


@pytest.mark.browser
@pytest.mark.django_db
def test_database_can_be_used_between_two_uses_of_the_browser(shared_browser: SharedBrowser) -> None:
    shown = []
    for number in range(2):
        with shared_browser.used() as browser, browser.new_page() as page:
            page.goto(f"data:text/html,<p>{number}</p>")
            shown.append(page.locator("p").text_content())
        assert Publisher.objects.count() == 0
    assert shown == ["0", "1"]
