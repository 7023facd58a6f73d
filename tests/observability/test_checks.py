"""The system checks of OBSERVABILITY and MIDDLEWARE."""

import re
import subprocess
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings


def ids() -> list[str]:
    return [str(message.id) for message in run_checks(tags=["observability"])]


def test_settings_of_the_repository_pass() -> None:
    assert ids() == []


def test_unknown_key_is_an_error(settings: Settings) -> None:
    settings.OBSERVABILITY = {"REEDERS": []}
    assert ids() == ["observability.E001"]


def test_class_without_a_reader_method_is_an_error(settings: Settings) -> None:
    settings.OBSERVABILITY = {"READERS": ["collections.OrderedDict"]}
    assert ids() == ["observability.E002"]


def test_middleware_may_be_a_tuple(settings: Settings) -> None:
    settings.MIDDLEWARE = tuple(settings.MIDDLEWARE)
    assert ids() == []


def test_missing_or_late_middleware_is_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware", *settings.MIDDLEWARE]
    assert ids() == ["observability.W001"]
    settings.MIDDLEWARE = []
    assert ids() == ["observability.W001"]


def test_repeated_middleware_is_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], *settings.MIDDLEWARE]
    assert ids() == ["observability.W002"]


@pytest.mark.parametrize(
    ("key", "value", "allowed", "suggestion"),
    [
        ("QUIET_PATHS", "/livez", "a list of strings", "['/livez']"),
        ("QUIET_PATHS", [1], "a list of strings", "[]"),
        ("REDACTED_KEYS", "pin", "a list of strings", "['pin']"),
        ("TRUSTED_PROXY_COUNT", "1", "a whole number, 0 or more", "0"),
        ("TRUSTED_PROXY_COUNT", -1, "a whole number, 0 or more", "0"),
        ("TRUSTED_PROXY_COUNT", True, "a whole number, 0 or more", "0"),
        ("SLOW_QUERY_MS", "100", "a number, 0 or more", "100.0"),
        ("SERVER_TIMING", "all", "one of 'everyone', 'staff', 'nobody'", "'staff'"),
        ("CODE_ROOT", None, "a string", "''"),
        ("RAISE_READER_ERRORS", "no", "True or False", "False"),
    ],
)
def test_value_of_the_wrong_type_is_an_error(
    settings: Settings, key: str, value: object, allowed: str, suggestion: str
) -> None:
    settings.OBSERVABILITY = {key: value}
    (message,) = run_checks(tags=["observability"])
    assert message.id == "observability.E003"
    assert message.msg == f"OBSERVABILITY[{key!r}] is {value!r}. Allowed: {allowed}."
    assert message.hint is not None
    assert suggestion in message.hint


@pytest.mark.parametrize("value", ["a.b", 3, None])
def test_readers_must_be_a_list_of_names(settings: Settings, value: object) -> None:
    expected = re.escape(f"OBSERVABILITY['READERS'] is {value!r}. Allowed: a list of dotted names")
    with pytest.raises(ImproperlyConfigured, match=expected):
        settings.OBSERVABILITY = {"READERS": value}


@pytest.mark.parametrize("entry", ["https://api.example.com", "api.example.com/v1", "*.example.com", "", "a.b:", "a b"])
def test_invalid_host_in_propagate_to_is_an_error(settings: Settings, entry: str) -> None:
    settings.OBSERVABILITY = {"PROPAGATE_TO": ["api.example.com", entry]}
    (message,) = run_checks(tags=["observability"])
    assert message.id == "observability.E004"
    assert repr(entry) in message.msg


def test_propagate_to_of_the_wrong_type_is_one_error(settings: Settings) -> None:
    settings.OBSERVABILITY = {"PROPAGATE_TO": "*"}
    assert ids() == ["observability.E003"]


def test_values_of_every_allowed_type_pass(settings: Settings) -> None:
    settings.OBSERVABILITY = {"QUIET_PATHS": ("/a",), "SLOW_QUERY_MS": 0, "SERVER_TIMING": "nobody"}
    assert ids() == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666, 0o602])
def test_file_that_others_can_read_is_a_warning(tmp_path: Path, settings: Settings, mode: int) -> None:
    var = tmp_path / "var dir"
    var.mkdir(mode=0o700)
    database = var / "db.sqlite3"
    database.touch(mode=0o600)
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"VAR_DIR": str(var)}
    assert ids() == []
    database.chmod(mode)
    [message] = run_checks(tags=["observability"])
    assert (message.id, str(database) in message.msg) == ("observability.W003", True)
    command = str(message.hint).removeprefix("Run: ")
    assert command == f"chmod -R go-rwx '{var}'"
    subprocess.run(["sh", "-c", command], check=True)
    assert ids() == []


def test_directory_that_others_can_open_is_a_warning(tmp_path: Path, settings: Settings) -> None:
    tmp_path.chmod(0o711)
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"VAR_DIR": str(tmp_path)}
    assert ids() == ["observability.W003"]


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_database_log_file_and_spool_outside_var_dir_are_checked(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{tmp_path / 'db'}"}
    monkeypatch.setitem(settings.DATABASES, "other", database)
    settings.LOGGING = {"version": 1, "handlers": {"file": {"filename": str(tmp_path / "log.jsonl")}}}
    settings.SENTRY_SPOOL_DIR = str(tmp_path / "spool")
    shared = [tmp_path / f"db{suffix}", tmp_path / "log.jsonl.1", tmp_path / "spool"]
    for path in shared:
        path.touch(mode=0o600)
    assert ids() == []
    for path in shared:
        path.chmod(0o644)
    [message] = run_checks(tags=["observability"])
    assert message.hint == f"Run: chmod go-rwx {' '.join(map(str, shared))}"


def test_static_files_links_and_virtual_environments_are_not_checked(tmp_path: Path, settings: Settings) -> None:
    tmp_path.chmod(0o700)
    for name in ("static", "venv"):
        (tmp_path / name).mkdir(mode=0o700)
        (tmp_path / name / "pyvenv.cfg").touch(mode=0o644)
    (tmp_path / "static" / "pyvenv.cfg").rename(tmp_path / "static" / "admin.css")
    (tmp_path / "link").symlink_to("/etc/passwd")
    settings.STATIC_ROOT = str(tmp_path / "static")
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"VAR_DIR": str(tmp_path)}
    assert ids() == []
