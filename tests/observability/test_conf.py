"""The setting QUIET_PATHS."""

import pytest
from pytest_django import Settings

from observability.conf import QuietPaths


@pytest.mark.parametrize(
    ("path", "is_quiet"),
    [("/livez", True), ("/livez/", False), ("/tools/", True), ("/tools/a/b/", True), ("/tool", False), ("", False)],
)
def test_path_is_quiet_if_it_equals_an_entry_or_starts_with_a_prefix(
    settings: Settings, path: str, is_quiet: bool
) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"QUIET_PATHS": ["/livez", "/tools/*"]}
    assert (path in QuietPaths()) is is_quiet


def test_no_path_is_quiet_by_default(settings: Settings) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"QUIET_PATHS": []}
    assert "/livez" not in QuietPaths()
