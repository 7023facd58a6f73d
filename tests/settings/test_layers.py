"""The layers of the settings, each in a process of its own, as it starts."""

import os
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from tests.serving.warm_python import WarmPython

PRODUCTION = {"SECRET_KEY": "0123456789abcdef" * 4, "ALLOWED_HOSTS": "example.com"}
NAME = "from django.conf import settings; print(settings.SERVICE_NAME)"
TOOLS = "import sys; print({'debug_toolbar', 'silk', 'observability.profiler'} & set(sys.modules))"


def start(
    python: WarmPython, layer: str, tmp_path: Path, code: str = NAME, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Set Django up under a layer, with no other variables than these, and run a line of code."""
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": f"settings.{layer}",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "LOG_DIR": str(tmp_path / "log"),
        **variables,
    }
    return python.run("-c", f"import django; django.setup(); {code}", env=environment)


def last_line(completed: subprocess.CompletedProcess[str]) -> str:
    assert completed.returncode != 0
    return completed.stderr.strip().splitlines()[-1].partition(": ")[2]


@pytest.mark.parametrize(("value", "directory"), [("state", settings.BASE_DIR / "state"), ("/srv/state", "/srv/state")])
def test_relative_directory_of_files_starts_at_the_root(
    python: WarmPython, tmp_path: Path, value: str, directory: object
) -> None:
    code = "from django.conf import settings; print(settings.VAR_DIR, settings.OBSERVABILITY['VAR_DIR'])"
    completed = start(python, "test", tmp_path / "elsewhere", code, VAR_DIR=value)
    assert completed.stdout == f"{directory} \n"


def test_production_starts_with_what_it_requires(python: WarmPython, tmp_path: Path) -> None:
    completed = start(python, "production", tmp_path, **PRODUCTION)
    assert (completed.stdout, completed.stderr) == (f"{settings.SERVICE_NAME}\n", "")


def test_development_needs_no_variable(python: WarmPython, tmp_path: Path) -> None:
    assert start(python, "development", tmp_path).stdout == f"{settings.SERVICE_NAME}\n"


@pytest.mark.parametrize(("layer", "variables"), [("production", PRODUCTION), ("test", {})])
def test_tools_of_development_are_in_no_other_layer(
    python: WarmPython, tmp_path: Path, layer: str, variables: dict[str, str]
) -> None:
    assert start(python, layer, tmp_path, TOOLS, **variables).stdout == "set()\n"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set: 50 characters or more"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is '…': 50 characters or more"),
        ({"SECRET_KEY": "django-insecure-" + "abcdef" * 10}, "SECRET_KEY is '…': 50 characters or more"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is not set: the host names that it serves"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS is '*': the host names that it serves, separated by commas"),
        ({"ALLOWED_HOSTS": "a.com,http://b.com/"}, "ALLOWED_HOSTS is 'http://b.com/': the host names that it serves"),
        ({"DEBUG": "true"}, "DEBUG is 'true': production never runs with DEBUG"),
        ({"DEBUG": "maybe"}, "DEBUG is 'maybe': one of true, yes, on, 1"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL is '…': a URL such as sqlite:"),
        ({"DATABASE_URL": "sqlite:////dev/null/db"}, "DATABASE_URL is '…': a place that can be written; /dev/null"),
        (
            {"LOGGING_LAYERS": "prod"},
            "LOGGING_LAYERS has 'prod', which is not a layer of logging.yaml. Available: base, container",
        ),
        (
            {"LOG_DIR": "/dev/null/log"},
            "LOG_DIR: the directory /dev/null/log of handler 'service' (logging.yaml:",
        ),
        ({"SYSLOG_ADDRESS": "logs:514"}, "SYSLOG_ADDRESS is 'logs:514': a syslog server, such as udp://host:514"),
        ({"SERVICE_NAME": "Our Service"}, "SERVICE_NAME is 'Our Service': small letters, digits"),
        ({"SERVICE_NAME": "our service"}, "SERVICE_NAME is 'our service': small letters, digits"),
        ({"TRUSTED_PROXY_COUNT": "one"}, "TRUSTED_PROXY_COUNT is 'one': the number of proxies"),
        ({"TRUSTED_PROXY_COUNT": "-1"}, "TRUSTED_PROXY_COUNT is '-1': the number of proxies"),
        ({"PROPAGATE_TO": "a.com,http://b.com/"}, "PROPAGATE_TO is 'http://b.com/': hosts such as api.example.com"),
        ({"SENTRY_DSN": "sentry.io"}, "SENTRY_DSN is '…': a DSN such as https://"),
        ({"SENTRY_TRACES_SAMPLE_RATE": "2"}, "SENTRY_TRACES_SAMPLE_RATE is '2': a number from 0 to 1"),
    ],
)
def test_wrong_variable_is_named_with_its_value_and_what_is_allowed(
    python: WarmPython, tmp_path: Path, wrong: dict[str, str], expected: str
) -> None:
    assert last_line(start(python, "production", tmp_path, **PRODUCTION | wrong)).startswith(expected)


@pytest.mark.parametrize("wrong", [{"SECRET_KEY": "hunter2"}, {"DATABASE_URL": "//me:hunter2@host/name"}])
def test_secret_is_not_repeated_in_the_error(python: WarmPython, tmp_path: Path, wrong: dict[str, str]) -> None:
    completed = start(python, "production", tmp_path, **PRODUCTION | wrong)
    assert completed.returncode != 0
    assert "hunter2" not in completed.stderr


def test_every_dotted_name_of_the_settings_can_be_imported() -> None:
    names = [*settings.MIDDLEWARE, *settings.OBSERVABILITY["READERS"], settings.WSGI_APPLICATION]
    names += [settings.ASGI_APPLICATION, settings.REST_FRAMEWORK["DEFAULT_PAGINATION_CLASS"]]
    for key in ("AUTHENTICATION", "PERMISSION", "RENDERER"):
        names += settings.REST_FRAMEWORK[f"DEFAULT_{key}_CLASSES"]
    names += settings.REST_FRAMEWORK["DEFAULT_FILTER_BACKENDS"]
    for name in names:
        assert import_string(name)
