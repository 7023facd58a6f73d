"""Keys that are secret because of the setting REDACTED_KEYS, and keys that only describe a secret."""

import pytest
from pytest_django import Settings

from observability.redaction import REDACTED, redact


@pytest.mark.parametrize(
    "key",
    [
        "token_count",
        "csrf_exempt",
        "passwordChangedAt",
        "cookie_name",
        "auth_user",
        "author",
        "designation",
    ],
)
def test_value_of_a_key_that_only_describes_a_secret_is_unchanged(key: str) -> None:
    assert redact({key: 3}) == {key: 3}


def test_redacted_keys_setting_adds_secret_keys(settings: Settings) -> None:
    assert redact({"iccid": "898606"}) == {"iccid": "898606"}
    settings.OBSERVABILITY = {"REDACTED_KEYS": ["iccid"]}
    assert redact({"ICCID": "898606"}) == {"ICCID": REDACTED}
