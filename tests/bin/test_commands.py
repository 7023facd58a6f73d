"""bin/check, bin/bench, bin/screenshots and bin/lock."""

from tests.bin.checkout import Checkout

MODULE = "import sys; print(__spec__.parent or __spec__.name, sys.argv[1:])"


def stamp_all(checkout: Checkout) -> Checkout:
    """Let the environment pass for one that holds requirements-dev.txt, which is empty, too."""
    stamp = checkout.environment / "requirements.txt.stamp"
    stamp.with_name("requirements-dev.txt.stamp").write_text(stamp.read_text())
    return checkout


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
