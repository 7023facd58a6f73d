"""bin/check, bin/bench, bin/screenshots, bin/lock, and the options of bin/sentry."""

import shutil

import pytest

from tests.bin.checkout import ROOT, Checkout

MODULE = "import sys; print(__spec__.parent or __spec__.name, sys.argv[1:])"


def stamp_all(checkout: Checkout) -> Checkout:
    """Let the environment pass for one that holds requirements-dev.txt, which is empty, too."""
    stamp = checkout.environment / "requirements.txt.stamp"
    stamp.with_name("requirements-dev.txt.stamp").write_text(stamp.read_text())
    return checkout


def test_benchmark_gets_the_arguments_of_bin_bench(ready_checkout: Checkout) -> None:
    checkout = stamp_all(ready_checkout)
    (checkout.path / "benchmarks").mkdir()
    (checkout.path / "benchmarks" / "__main__.py").write_text(MODULE)
    (checkout.path / "benchmarks" / "logs.py").touch()
    assert checkout.run("bin/bench", "logs", "--lines=10") == (0, "benchmarks ['logs', '--lines=10']\n")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_benchmarks_are_listed_without_any_set_up(checkout: Checkout, arguments: list[str]) -> None:
    add_benchmarks(checkout)
    code, written = checkout.run("bin/bench", *arguments)
    assert code == 0
    assert written.startswith("usage: bin/bench [NAME [options] | --help]\n") == bool(arguments)
    assert written.splitlines()[-2:] == ["first      What comes first.", "second     What comes second."]
    assert not checkout.environment.exists()


@pytest.mark.parametrize("name", ["nonsense", "--nonsense"])
def test_unknown_benchmark_is_refused_without_any_set_up(checkout: Checkout, name: str) -> None:
    add_benchmarks(checkout)
    assert checkout.run("bin/bench", name) == (2, f"There is no benchmark {name!r}: choose one of first, second.\n")
    assert not checkout.environment.exists()


def add_benchmarks(checkout: Checkout) -> None:
    """Add two benchmarks, and a module that is none."""
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
    ready_checkout.put_uv()
    assert ready_checkout.run("bin/manage", "logs", DJANGO_SETTINGS_MODULE="settings.test") == (
        0,
        "Installing 0 packages into .venv (once) …\n['logs'] settings.test\n",
    )
    assert any("requirements-reading.txt" in line for line in ready_checkout.asked_of_uv())


def test_bin_screenshots_starts_its_module(ready_checkout: Checkout) -> None:
    checkout = stamp_all(ready_checkout)
    (checkout.path / "tests").mkdir()
    (checkout.path / "tests" / "screenshots.py").write_text(MODULE)
    assert checkout.run("bin/screenshots") == (0, "tests []\n")


@pytest.mark.parametrize("command", ["check", "lock", "run", "screenshots", "sentry"])
def test_help_is_printed_without_any_set_up(checkout: Checkout, command: str) -> None:
    code, written = checkout.run(f"bin/{command}", "--help")
    assert (code, written.partition(" [")[0]) == (0, f"usage: bin/{command}")
    assert not checkout.environment.exists()


@pytest.mark.parametrize("command", ["check", "lock", "run", "screenshots", "sentry"])
def test_unknown_argument_is_refused_without_any_set_up(checkout: Checkout, command: str) -> None:
    code, written = checkout.run(f"bin/{command}", "nonsense")
    first, _, usage = written.partition("\n\n")
    assert (code, first) == (2, f'bin/{command}: there is no argument "nonsense"')
    assert usage.startswith(f"usage: bin/{command} [")
    assert not checkout.environment.exists()


def test_bin_check_goes_on_after_a_failure_and_says_what_to_do(ready_checkout: Checkout) -> None:
    """None of the tools is installed here; manage.py alone is."""
    code, written = stamp_all(ready_checkout).run("bin/check")
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
        ("ruff", "E1\nFound 3 errors.\n[*] 2 fixable.", "3 errors", "Run bin/check --fix, which makes the safe fixes."),
        (
            "ruff",
            "2 files would be reformatted, 5 left",
            "2 files would be reformatted",
            "Run bin/check --fix, which formats the files.",
        ),
        ("mypy", "Found 1 error in 1 file (checked 9)", "1 error in 1 file", "Correct the types, or add `# type:"),
        ("manage", "System check identified 2 issues (0)", "2 issues", "Follow the HINT of each issue."),
        (
            "manage",
            "Migrations for 'service':\n  + Add",
            "no migration for 'service'",
            "Run .venv/bin/python manage.py makemigrations",
        ),
        ("mypy", "Traceback\nImportError: broken", "ImportError: broken", "Correct the types"),
    ],
)
def test_failed_check_says_in_a_few_words_what_failed(
    ready_checkout: Checkout, tool: str, output: str, summary: str, advice: str
) -> None:
    checkout = stamp_all(ready_checkout)
    (checkout.path / f"{tool}.py").write_text(f"import sys; print({output!r}); sys.exit(1)")
    code, written = checkout.run("bin/check")
    assert code == 1
    assert f" FAILED: {summary}\n\n{output}\n\n" in written
    assert advice in written


def test_no_check_waits_for_input(ready_checkout: Checkout) -> None:
    checkout = stamp_all(ready_checkout)
    (checkout.path / "mypy.py").write_text("import sys; sys.exit(repr(sys.stdin.read()))")
    (checkout.path / "manage.py").write_text("import sys; sys.exit(' '.join(sys.argv[1:]))")
    _, written = checkout.run("sh", "-c", "echo yes | bin/check")
    assert "FAILED: ''\n" in written
    assert "FAILED: makemigrations --check --dry-run --no-input\n" in written


def test_bin_check_fixes_before_it_checks(ready_checkout: Checkout) -> None:
    checkout = stamp_all(ready_checkout)
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


def test_bin_lock_needs_uv(checkout: Checkout) -> None:
    code, written = checkout.run("bin/lock")
    assert code == 1
    assert written.startswith("bin/lock needs uv: install it")


def test_bin_lock_compiles_every_file_and_hands_on_its_options(checkout: Checkout) -> None:
    checkout.put("uv", '#!/bin/sh\n[ "$1" = --version ] || echo "$UV_CUSTOM_COMPILE_COMMAND:" "$@"\n')
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


def test_an_option_that_bin_sentry_does_not_know_is_refused(checkout: Checkout) -> None:
    code, written = checkout.run("bin/sentry", "--port=8001")
    assert code == 2
    assert "usage: bin/sentry [--help]" in written
