"""bin/test, bin/check, bin/bench, bin/screenshots, bin/lock, and the options of bin/sentry."""

import pytest

from tests.bin.checkout import Checkout

MODULE = "import sys; print(__spec__.parent or __spec__.name, sys.argv[1:])"


def stamp_all(checkout: Checkout) -> Checkout:
    """Let the environment pass for one that holds requirements-dev.txt, which is empty, too."""
    stamp = checkout.environment / "requirements.txt.stamp"
    stamp.with_name("requirements-dev.txt.stamp").write_text(stamp.read_text())
    return checkout


def test_pytest_gets_the_arguments_of_bin_test(ready_checkout: Checkout) -> None:
    checkout = stamp_all(ready_checkout)
    (checkout.path / "pytest.py").write_text(MODULE)
    assert checkout.run("bin/test", "-k", "one or two") == (0, "pytest ['-k', 'one or two']\n")


def test_database_of_bin_test_is_named_to_the_tests_and_its_driver_installed(ready_checkout: Checkout) -> None:
    checkout = stamp_all(ready_checkout)
    checkout.put_uv()
    (checkout.path / "requirements-mysql.txt").touch()
    (checkout.path / "pytest.py").write_text("import os, sys; print(os.environ['DATABASE_URL'], sys.argv[1:])")
    code, written = checkout.run("bin/test", "--database", "mysql://root@127.0.0.1/vitrine", "-k", "one")
    assert (code, written.splitlines()[-1]) == (0, "mysql://root@127.0.0.1/vitrine ['-k', 'one']")
    assert checkout.asked_of_uv()[-1].endswith("requirements-mysql.txt")


@pytest.mark.parametrize("url", ["", "oracle://host/name", "vitrine"])
def test_database_that_is_no_url_of_a_known_kind_is_refused(ready_checkout: Checkout, url: str) -> None:
    assert ready_checkout.run("bin/test", "--database", url) == (
        2, "bin/test: --database takes a URL that begins with sqlite:, postgresql: or mysql:.\n",
    )  # fmt: skip


def test_benchmarks_get_the_arguments_of_bin_bench(ready_checkout: Checkout) -> None:
    checkout = stamp_all(ready_checkout)
    (checkout.path / "benchmarks").mkdir()
    (checkout.path / "benchmarks" / "__main__.py").write_text(MODULE)
    assert checkout.run("bin/bench", "logs", "--lines=10") == (0, "benchmarks ['logs', '--lines=10']\n")


def test_bin_screenshots_starts_its_module(ready_checkout: Checkout) -> None:
    checkout = stamp_all(ready_checkout)
    (checkout.path / "tests").mkdir()
    (checkout.path / "tests" / "screenshots.py").write_text(MODULE)
    assert checkout.run("bin/screenshots") == (0, "tests []\n")


def test_bin_check_goes_on_after_a_failure_and_names_what_failed(ready_checkout: Checkout) -> None:
    """None of the tools is installed here; manage.py alone is."""
    code, written = stamp_all(ready_checkout).run("bin/check")
    lines = written.splitlines()
    assert code == 1
    assert lines[-1] == "Failed: ruff check ., ruff format --check ., mypy ., lint-imports."
    assert sum(line.endswith("No module named mypy") for line in lines) == 1
    assert [line.split("  ")[0] for line in lines if line.endswith("passed")] == [
        "manage.py check",
        "manage.py makemigrations --check --dry-run",
    ]


def test_bin_lock_needs_uv(checkout: Checkout) -> None:
    code, written = checkout.run("bin/lock")
    assert code == 1
    assert written.startswith("bin/lock needs uv: install it")


def test_bin_lock_compiles_every_file_and_hands_on_its_options(checkout: Checkout) -> None:
    checkout.put("uv", '#!/bin/sh\n[ "$1" = --version ] || echo "$UV_CUSTOM_COMPILE_COMMAND:" "$@"\n')
    code, written = checkout.run("bin/lock", "--upgrade")
    application, *extras, development, bugsink = written.splitlines()
    assert code == 0
    assert application.startswith("bin/lock: pip compile")
    assert "--generate-hashes" in application
    assert application.endswith("--output-file requirements.txt --upgrade pyproject.toml")
    assert [line.partition("--extra ")[2] for line in extras] == [
        f"{name} --constraints requirements.txt --output-file requirements-{name}.txt --upgrade pyproject.toml"
        for name in ("postgresql", "mysql", "reading")
    ]
    assert "--group dev --constraints requirements-postgresql.txt" in development
    assert development.endswith("--output-file requirements-dev.txt --upgrade pyproject.toml")
    assert bugsink.endswith("--output-file bin/requirements-bugsink.txt --upgrade bin/requirements-bugsink.in")


def test_an_option_that_bin_sentry_does_not_know_is_refused(checkout: Checkout) -> None:
    code, written = checkout.run("bin/sentry", "--port=8001")
    assert code == 2
    assert written.startswith("usage: bin/sentry [--help]")
