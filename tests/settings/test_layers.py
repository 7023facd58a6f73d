"""The settings modules, each in a new process."""

import os
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from tests.serving.warm_python import WarmPython

PRODUCTION = {"SECRET_KEY": "0123456789abcdef" * 4, "ALLOWED_HOSTS": "example.com"}
NAME = "from django.conf import settings; print(settings.SERVICE_NAME)"
ALLOWED = ". Allowed: "
HIDDEN = " has an invalid value, which may be secret and is not shown. Allowed: "
TOOLS = "import sys; print({'debug_toolbar', 'silk', 'observability.profiler'} & set(sys.modules))"


def start(
    python: WarmPython, layer: str, tmp_path: Path, code: str = NAME, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Set up Django with a settings module and only these variables, and run a line of code."""
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
def test_relative_var_dir_is_relative_to_the_repository(
    python: WarmPython, tmp_path: Path, value: str, directory: object
) -> None:
    code = "from django.conf import settings; print(settings.VAR_DIR, settings.OBSERVABILITY['VAR_DIR'])"
    completed = start(python, "test", tmp_path / "elsewhere", code, VAR_DIR=value)
    assert completed.stdout == f"{directory} \n"


def test_production_starts_with_its_required_variables(python: WarmPython, tmp_path: Path) -> None:
    completed = start(python, "production", tmp_path, **PRODUCTION)
    assert (completed.stdout, completed.stderr) == (f"{settings.SERVICE_NAME}\n", "")


def test_development_needs_no_variable(python: WarmPython, tmp_path: Path) -> None:
    assert start(python, "development", tmp_path).stdout == f"{settings.SERVICE_NAME}\n"


@pytest.mark.parametrize(("layer", "variables"), [("production", PRODUCTION), ("test", {})])
def test_development_tools_are_not_imported_by_other_settings(
    python: WarmPython, tmp_path: Path, layer: str, variables: dict[str, str]
) -> None:
    assert start(python, layer, tmp_path, TOOLS, **variables).stdout == "set()\n"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set. Allowed: at least 50 random characters"),
        ({"SECRET_KEY": "short"}, f"SECRET_KEY{HIDDEN}at least 50 random characters"),
        (
            {"SECRET_KEY": "django-insecure-" + "abcdef" * 10},
            f"SECRET_KEY{HIDDEN}at least 50 random characters",
        ),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is not set. Allowed: the host names"),
        ({"ALLOWED_HOSTS": "*"}, f"ALLOWED_HOSTS is '*'{ALLOWED}the host names"),
        ({"ALLOWED_HOSTS": "a.com,http://b.com/"}, f"ALLOWED_HOSTS is 'http://b.com/'{ALLOWED}the host names"),
        ({"DEBUG": "true"}, f"DEBUG is 'true'{ALLOWED}false. To debug, set DJANGO_SETTINGS_MODULE=settings"),
        ({"DEBUG": "maybe"}, f"DEBUG is 'maybe'{ALLOWED}true, yes, on, 1"),
        ({"DATABASE_URL": "nonsense"}, f"DATABASE_URL{HIDDEN}a URL such as sqlite:"),
        ({"DATABASE_URL": "sqlite:////dev/null/db"}, "The directory /dev/null of the SQLite database cannot be"),
        (
            {"LOGGING_LAYERS": "prod"},
            "LOGGING_LAYERS has 'prod', which is not a layer of logging.yaml. Available: base, container",
        ),
        (
            {"LOG_DIR": "/dev/null/log"},
            "LOG_DIR: the directory /dev/null/log of handler 'service' (logging.yaml:",
        ),
        (
            {"SYSLOG_ADDRESS": "logs:514"},
            f"SYSLOG_ADDRESS is 'logs:514'{ALLOWED}a syslog server, such as udp://host:514",
        ),
        ({"SERVICE_NAME": "Our Service"}, f"SERVICE_NAME is 'Our Service'{ALLOWED}lower-case letters, digits"),
        ({"SERVICE_NAME": "our service"}, f"SERVICE_NAME is 'our service'{ALLOWED}lower-case letters, digits"),
        ({"TRUSTED_PROXY_COUNT": "one"}, f"TRUSTED_PROXY_COUNT is 'one'{ALLOWED}the number of proxies"),
        ({"TRUSTED_PROXY_COUNT": "-1"}, f"TRUSTED_PROXY_COUNT is '-1'{ALLOWED}the number of proxies"),
        (
            {"PROPAGATE_TO": "a.com,http://b.com/"},
            f"PROPAGATE_TO is 'http://b.com/'{ALLOWED}hosts such as api.example.com",
        ),
        ({"SENTRY_DSN": "sentry.io"}, f"SENTRY_DSN{HIDDEN}a DSN such as https://"),
        ({"SENTRY_TRACES_SAMPLE_RATE": "2"}, f"SENTRY_TRACES_SAMPLE_RATE is '2'{ALLOWED}a number from 0 to 1"),
    ],
)
def test_error_names_the_variable_its_value_and_the_allowed_values(
    python: WarmPython, tmp_path: Path, wrong: dict[str, str], expected: str
) -> None:
    assert last_line(start(python, "production", tmp_path, **PRODUCTION | wrong)).startswith(expected)


@pytest.mark.parametrize("wrong", [{"SECRET_KEY": "hunter2"}, {"DATABASE_URL": "//me:hunter2@host/name"}])
def test_error_does_not_show_a_secret(python: WarmPython, tmp_path: Path, wrong: dict[str, str]) -> None:
    completed = start(python, "production", tmp_path, **PRODUCTION | wrong)
    assert completed.returncode != 0
    assert "hunter2" not in completed.stderr


def test_dotted_names_in_the_settings_can_be_imported() -> None:
    names = [*settings.MIDDLEWARE, *settings.OBSERVABILITY["READERS"], settings.WSGI_APPLICATION]
    names += [settings.ASGI_APPLICATION, settings.REST_FRAMEWORK["DEFAULT_PAGINATION_CLASS"]]
    for key in ("AUTHENTICATION", "PERMISSION", "RENDERER"):
        names += settings.REST_FRAMEWORK[f"DEFAULT_{key}_CLASSES"]
    names += settings.REST_FRAMEWORK["DEFAULT_FILTER_BACKENDS"]
    for name in names:
        assert import_string(name)
