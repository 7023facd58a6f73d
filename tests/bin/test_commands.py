"""bin/bench, bin/check, bin/lock, bin/manage, bin/screenshots, and the options of all commands."""

import shutil

import pytest

from tests.bin.checkout import ROOT, Checkout

MODULE = "import sys; print(__spec__.parent or __spec__.name, sys.argv[1:])"


def stamp_dev_requirements(checkout: Checkout) -> Checkout:
    """Mark requirements-dev.txt, which is empty, as installed."""
    stamp = checkout.environment / "requirements.txt.stamp"
    stamp.with_name("requirements-dev.txt.stamp").write_text(stamp.read_text())
    return checkout


def test_bin_bench_passes_its_arguments_to_the_benchmark(ready_checkout: Checkout) -> None:
    checkout = stamp_dev_requirements(ready_checkout)
    (checkout.path / "benchmarks").mkdir()
    (checkout.path / "benchmarks" / "__main__.py").write_text(MODULE)
    (checkout.path / "benchmarks" / "logs.py").touch()
    assert checkout.run("bin/bench", "logs", "--lines=10") == (0, "benchmarks ['logs', '--lines=10']\n")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_bin_bench_lists_the_benchmarks_without_set_up(checkout: Checkout, arguments: list[str]) -> None:
    add_benchmarks(checkout)
    code, written = checkout.run("bin/bench", *arguments)
    assert code == 0
    assert written.startswith("usage: bin/bench [NAME [options] | --help]\n") == bool(arguments)
    assert written.splitlines()[-2:] == ["first      What comes first.", "second     What comes second."]
    assert not checkout.environment.exists()


@pytest.mark.parametrize("name", ["nonsense", "--nonsense"])
def test_bin_bench_refuses_an_unknown_benchmark_without_set_up(checkout: Checkout, name: str) -> None:
    add_benchmarks(checkout)
    code, written = checkout.run("bin/bench", name)
    assert code == 2
    assert repr(name) in written
    assert "first, second" in written
    assert not checkout.environment.exists()


def add_benchmarks(checkout: Checkout) -> None:
    """Add two benchmarks, and a module that is not a benchmark."""
    directory = checkout.path / "benchmarks"
    directory.mkdir()
    for name in ("__init__", "__main__"):
        shutil.copy(ROOT / "benchmarks" / f"{name}.py", directory)
    for name in ("first", "second"):
        (directory / f"{name}.py").write_text(f'"""What comes {name}."""\n\ndef main(arguments): ...\n')
    (directory / "measure.py").write_text("def median(): ...\n")


def test_bin_manage_runs_manage_py_with_its_arguments(ready_checkout: Checkout) -> None:
    (ready_checkout.path / "manage.py").write_text(MODULE.replace("__spec__.parent or __spec__.name", "__file__"))
    code, written = ready_checkout.run("bin/manage", "check", "--tag", "a b")
    assert (code, written) == (0, f"{ready_checkout.path}/manage.py ['check', '--tag', 'a b']\n")


def test_bin_manage_logs_installs_duckdb_first(ready_checkout: Checkout) -> None:
    (ready_checkout.path / "requirements-reading.txt").touch()
    ready_checkout.add_uv()
    assert ready_checkout.run("bin/manage", "logs", DJANGO_SETTINGS_MODULE="settings.test") == (
        0,
        "Installing 0 packages into .venv (once) …\n['logs'] settings.test\n",
    )
    assert any("requirements-reading.txt" in line for line in ready_checkout.uv_calls())


@pytest.mark.parametrize("command", ["check", "logs"])
def test_bin_manage_installs_the_packages_of_the_service(checkout_with_uv: Checkout, command: str) -> None:
    (checkout_with_uv.path / "requirements-reading.txt").touch()
    assert checkout_with_uv.run("bin/manage", command, DJANGO_SETTINGS_MODULE="settings.test")[0] == 0
    assert any("requirements.txt" in line for line in checkout_with_uv.uv_calls())


def test_bin_screenshots_runs_its_module(ready_checkout: Checkout) -> None:
    checkout = stamp_dev_requirements(ready_checkout)
    (checkout.path / "tests").mkdir()
    (checkout.path / "tests" / "screenshots.py").write_text(MODULE)
    assert checkout.run("bin/screenshots") == (0, "tests []\n")


@pytest.mark.parametrize("command", ["check", "lock", "run", "screenshots", "sentry"])
def test_help_is_printed_without_set_up(checkout: Checkout, command: str) -> None:
    code, written = checkout.run(f"bin/{command}", "--help")
    assert (code, written.partition(" [")[0]) == (0, f"usage: bin/{command}")
    assert not checkout.environment.exists()


@pytest.mark.parametrize("command", ["check", "lock", "run", "screenshots", "sentry"])
def test_unknown_argument_is_refused_without_set_up(checkout: Checkout, command: str) -> None:
    code, written = checkout.run(f"bin/{command}", "nonsense")
    first, _, usage = written.partition("\n\n")
    assert (code, first) == (2, f'bin/{command}: unknown argument "nonsense"')
    assert usage.startswith(f"usage: bin/{command} [")
    assert not checkout.environment.exists()


def test_bin_check_runs_all_checks_and_lists_the_failed_ones(ready_checkout: Checkout) -> None:
    """In this checkout only manage.py exists; the tools are not installed."""
    code, written = stamp_dev_requirements(ready_checkout).run("bin/check")
    lines = written.splitlines()
    assert code == 1
    assert lines[-5] == "4 of 6 checks failed:"
    assert [line[2:45].rstrip() for line in lines[-4:]] == [
        "ruff check .",
        "ruff format --check .",
        "mypy .",
        "lint-imports",
    ]
    assert sum("FAILED: " in line and line.endswith("No module named mypy") for line in lines) == 1
    assert [line.split("  ")[0] for line in lines if line.endswith("passed")] == [
        "manage.py check",
        "manage.py makemigrations --check --dry-run",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tool", "output", "summary", "advice"),
    [
        (
            "ruff",
            "E1\nFound 3 errors.\n[*] 2 fixable.",
            "3 errors",
            "Run bin/check --fix, which applies the safe fixes.",
        ),
        (
            "ruff",
            "2 files would be reformatted, 5 left",
            "2 files would be reformatted",
            "Run bin/check --fix, which formats the files.",
        ),
        ("mypy", "Found 1 error in 1 file (checked 9)", "1 error in 1 file", "Correct the types, or add `# type:"),
        ("manage", "System check identified 2 issues (0)", "2 issues", "Follow the hint of each issue."),
        (
            "manage",
            "Migrations for 'service':\n  + Add",
            "no migration for 'service'",
            "Run bin/manage makemigrations",
        ),
        ("mypy", "Traceback\nImportError: broken", "ImportError: broken", "Correct the types"),
    ],
)
def test_bin_check_summarizes_a_failed_check_and_gives_advice(
    ready_checkout: Checkout, tool: str, output: str, summary: str, advice: str
) -> None:
    checkout = stamp_dev_requirements(ready_checkout)
    (checkout.path / f"{tool}.py").write_text(f"import sys; print({output!r}); sys.exit(1)")
    code, written = checkout.run("bin/check")
    assert code == 1
    assert f" FAILED: {summary}\n\n{output}\n\n" in written
    assert advice in written


def test_bin_check_gives_checks_no_input(ready_checkout: Checkout) -> None:
    checkout = stamp_dev_requirements(ready_checkout)
    (checkout.path / "mypy.py").write_text("import sys; sys.exit(repr(sys.stdin.read()))")
    (checkout.path / "manage.py").write_text("import sys; sys.exit(' '.join(sys.argv[1:]))")
    _, written = checkout.run("sh", "-c", "echo yes | bin/check")
    assert "FAILED: ''\n" in written
    assert "FAILED: makemigrations --check --dry-run --no-input\n" in written


def test_bin_check_fix_applies_fixes_before_the_checks(ready_checkout: Checkout) -> None:
    checkout = stamp_dev_requirements(ready_checkout)
    (checkout.path / "ruff.py").write_text("import sys; print('Ran', *sys.argv[1:])")
    lines = checkout.run("bin/check", "--fix")[1].splitlines()
    assert [line.split("  ")[0] for line in lines[:4]] == [
        "ruff check --fix-only .",
        "ruff format .",
        "ruff check .",
        "ruff format --check .",
    ]
    assert [line.rpartition("  ")[2].strip() for line in lines[:4]] == [
        "Ran check --fix-only .",
        "Ran format .",
        "passed",
        "passed",
    ]


def test_bin_lock_without_uv_fails(checkout: Checkout) -> None:
    code, written = checkout.run("bin/lock")
    assert code == 1
    assert written.startswith("bin/lock needs uv.")


def test_bin_lock_compiles_all_files_and_passes_on_its_options(checkout: Checkout) -> None:
    checkout.add_program("uv", '#!/bin/sh\n[ "$1" = --version ] || echo "$UV_CUSTOM_COMPILE_COMMAND:" "$@"\n')
    code, written = checkout.run("bin/lock", "--upgrade")
    application, *extras, production, development, bugsink = written.splitlines()
    assert code == 0
    assert application.startswith("bin/lock: pip compile")
    assert "--generate-hashes" in application
    assert application.endswith("--extra development --output-file requirements.txt --upgrade pyproject.toml")
    assert [line.partition("--extra development --extra ")[2] for line in extras] == [
        f"{name} --constraints requirements.txt --output-file requirements-{name}.txt --upgrade pyproject.toml"
        for name in ("postgresql", "mysql", "reading")
    ]
    assert "--extra development" not in production
    assert production.endswith("--output-file requirements-production.txt --upgrade pyproject.toml")
    assert "--extra development --group dev --constraints requirements-postgresql.txt" in development
    assert development.endswith("--output-file requirements-dev.txt --upgrade pyproject.toml")
    assert bugsink.endswith("--output-file bin/requirements-bugsink.txt --upgrade bin/requirements-bugsink.in")


def test_bin_sentry_refuses_an_unknown_option(checkout: Checkout) -> None:
    code, written = checkout.run("bin/sentry", "--port=8001")
    assert code == 2
    assert "usage: bin/sentry [--help]" in written
