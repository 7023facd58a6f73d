"""Which paths are quiet."""

import pytest
from pytest_django import Settings

from observability.conf import QuietPaths


@pytest.mark.parametrize(
    ("path", "is_quiet"),
    [("/livez", True), ("/livez/", False), ("/tools/", True), ("/tools/a/b/", True), ("/tool", False), ("", False)],
)
def test_path_is_quiet_as_a_whole_or_by_its_beginning(settings: Settings, path: str, is_quiet: bool) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"QUIET_PATHS": ["/livez", "/tools/*"]}
    assert (path in QuietPaths()) is is_quiet


def test_without_an_entry_nothing_is_quiet(settings: Settings) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"QUIET_PATHS": []}
    assert "/livez" not in QuietPaths()
