"""bin/test: the pytest sessions that it runs, and its summary."""

import json
from pathlib import Path

import pytest

from tests.bin.checkout import Checkout
from tests.bin.test_commands import stamp_dev_requirements

# A fake pytest: it records its arguments, and returns the results in the file `planned`, one after another.
PYTEST = """\
import json, os, pathlib, sys
calls, planned = pathlib.Path("calls"), pathlib.Path("planned")
arguments = sys.argv[1:]
with calls.open("a") as file:
    file.write(json.dumps([os.environ.get("DATABASE_URL"), arguments[1:]]) + "\\n")
status, summary = json.loads(planned.read_text().splitlines()[len(calls.read_text().splitlines()) - 1])
if summary:
    pathlib.Path(arguments[0].partition("=")[2]).write_text(json.dumps(summary))
sys.exit(status)
"""
PASSED = (0, {"outcomes": {"passed": 3}, "left_out": {}})
LAYER = "tests/observability"


@pytest.fixture
def checkout(ready_checkout: Checkout) -> Checkout:
    """Return a checkout with the fake pytest, whose sessions all pass."""
    checkout = stamp_dev_requirements(ready_checkout)
    (checkout.path / "pytest.py").write_text(PYTEST)
    for directory in (LAYER, "tests/service"):
        (checkout.path / directory).mkdir(parents=True)
        (checkout.path / directory / "test_a.py").touch()
    plan(checkout, *[PASSED] * 6)
    return checkout


def plan(checkout: Checkout, *sessions: object) -> None:
    (checkout.path / "planned").write_text("".join(f"{json.dumps(session)}\n" for session in sessions))


def calls(checkout: Checkout) -> list[tuple[str, list[str]]]:
    """Return the DATABASE_URL and the arguments of each session."""
    file: Path = checkout.path / "calls"
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def selected(arguments: list[str]) -> list[str]:
    """Return the arguments without those for workers and order, which have their own tests."""
    ignored = [index for index, each in enumerate(arguments) if each in ("-n", "--dist")]
    left = [each for index, each in enumerate(arguments) if index not in ignored and index - 1 not in ignored]
    return [each for each in left if not each.startswith(("--randomly-seed=", "--no-loadscope-reorder"))]


FAST = ["-m", "not browser and not external and not slow"]


def test_no_arguments_run_the_fast_tests_of_both_roots_on_sqlite(checkout: Checkout) -> None:
    code, written = checkout.run("bin/test")
    assert code == 0
    assert [(url, selected(arguments)) for url, arguments in calls(checkout)] == [
        ("sqlite://:memory:", [*FAST, LAYER]),
        ("sqlite://:memory:", FAST),
    ]
    assert written.splitlines()[-1] == "6 passed, 0 failed, 0 skipped"


@pytest.mark.slow
def test_variable_database_url_is_not_used(checkout: Checkout) -> None:
    checkout.run("bin/test", DATABASE_URL="postgresql://root@127.0.0.1/mine")
    assert {url for url, _ in calls(checkout)} == {"sqlite://:memory:"}


def test_one_worker_per_core_runs_whole_files(checkout: Checkout) -> None:
    checkout.run("bin/test")
    arguments = calls(checkout)[0][1]
    assert arguments[0] == "-n"
    assert int(arguments[1]) >= 1
    assert arguments[2:4] == ["--dist", "loadfile"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "given", [["-n", "3"], ["-n0"], ["--pdb"], ["tests/service/test_a.py"], ["tests/service/test_a.py::test_b"]]
)
def test_number_of_workers_can_be_set_and_one_file_needs_no_workers(checkout: Checkout, given: list[str]) -> None:
    if "::" in given[0]:
        plan(checkout, (0, {"outcomes": {"passed": 1}}))
    assert checkout.run("bin/test", *given)[0] == 0
    assert "--dist" not in calls(checkout)[0][1]


@pytest.mark.slow
def test_all_sessions_have_the_same_seed_which_is_printed_after_a_failure(checkout: Checkout) -> None:
    plan(checkout, (1, {"outcomes": {"passed": 3, "failed": 1}, "left_out": {}}), PASSED)
    code, written = checkout.run("bin/test")
    seeds = {
        next(each for each in arguments if each.startswith("--randomly-seed=")) for _, arguments in calls(checkout)
    }
    (seed,) = seeds
    assert code == 1
    assert f" {seed}." in written


@pytest.mark.slow
@pytest.mark.parametrize("given", [["-p", "no:randomly"], ["--randomly-seed=7"]])
def test_given_order_is_used(checkout: Checkout, given: list[str]) -> None:
    checkout.run("bin/test", *given)
    arguments = calls(checkout)[0][1]
    assert [each for each in arguments if each.startswith("--randomly-seed=")] == [
        each for each in given if "7" in each
    ]


@pytest.mark.parametrize(
    ("given", "sessions"),
    [
        (["tests/service"], [["tests/service"]]),
        (["tests/observability/test_a.py", "-k", "one"], [["-k", "one", "tests/observability/test_a.py"]]),
        (["tests/service", "tests/observability"], [["tests/observability"], ["tests/service"]]),
        (["-k", "one or two"], [["-k", "one or two", LAYER], ["-k", "one or two"]]),
        (["--lf"], [["--lf", LAYER], ["--lf"]]),
        (["-m", "slow"], [["-m", "slow", LAYER], ["-m", "slow"]]),
        (["-x"], [["-x", *FAST, LAYER], ["-x", *FAST]]),
    ],
)
def test_selection_runs_only_the_roots_of_its_paths(
    checkout: Checkout, given: list[str], sessions: list[list[str]]
) -> None:
    assert checkout.run("bin/test", *given)[0] == 0
    assert [selected(arguments) for _, arguments in calls(checkout)] == sessions


@pytest.mark.slow
def test_all_requires_optional_parts_and_runs_on_three_databases(checkout: Checkout) -> None:
    for name in ("postgresql", "mysql"):
        (checkout.path / f"requirements-{name}.txt").touch()
    checkout.add_uv()
    code, written = checkout.run("bin/test", "--all", MYSQL_URL="mysql://root@db/other")
    assert code == 0
    on_server = ["--require-parts", "-m", "database"]
    assert [(url, selected(arguments)) for url, arguments in calls(checkout)] == [
        ("sqlite://:memory:", ["--require-parts", LAYER]),
        ("sqlite://:memory:", ["--require-parts", "--query-budget-require-routes"]),
        ("postgresql://postgres@127.0.0.1/vitrine", [*on_server, LAYER]),
        ("postgresql://postgres@127.0.0.1/vitrine", on_server),
        ("mysql://root@db/other", [*on_server, LAYER]),
        ("mysql://root@db/other", on_server),
    ]
    assert "Left out" not in written


@pytest.mark.slow
def test_option_database_sets_the_database_and_installs_its_driver(checkout: Checkout) -> None:
    checkout.add_uv()
    (checkout.path / "requirements-mysql.txt").touch()
    assert checkout.run("bin/test", "--database", "mysql://root@127.0.0.1/vitrine", "-k", "one")[0] == 0
    assert {url for url, _ in calls(checkout)} == {"mysql://root@127.0.0.1/vitrine"}
    assert checkout.uv_calls()[-1].endswith("requirements-mysql.txt")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--database", ""], "--database is a URL with the scheme ''. Allowed: 'sqlite', 'postgresql', 'mysql'"),
        (
            ["--database", "oracle://host/name"],
            "--database is a URL with the scheme 'oracle'. Allowed: 'sqlite', 'postgresql', 'mysql'",
        ),
        (
            ["--all", "--database", "sqlite://:memory:"],
            "--all already runs the tests on all databases; remove --database",
        ),
        (["tests/nothing.py"], "file or directory not found: 'tests/nothing.py'"),
    ],
)
def test_wrong_argument_is_refused_before_installation(checkout: Checkout, given: list[str], message: str) -> None:
    (checkout.environment / "requirements-dev.txt.stamp").unlink()
    code, written = checkout.run("bin/test", *given)
    assert (code, calls(checkout)) == (2, [])
    assert f"bin/test: error: {message}" in written.splitlines()[-1]
    assert "Installing" not in written


def test_last_lines_count_left_out_and_skipped_tests(checkout: Checkout) -> None:
    first = {"outcomes": {"passed": 5, "skipped": 1}, "left_out": {"slow": 2, "browser": 4}}
    plan(checkout, (0, first), (0, {"outcomes": {"passed": 1}, "left_out": {"slow": 1}}))
    _, written = checkout.run("bin/test")
    *_, left_out, skipped, _, closing = written.splitlines()
    assert left_out == "Left out: 4 browser, 3 slow; PostgreSQL and MariaDB. `bin/test --all` runs them."
    assert skipped == "1 skipped: the reasons are above."
    assert closing == "6 passed, 0 failed, 1 skipped"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("session", "closing"),
    [
        ((1, {"outcomes": {"passed": 2, "failed": 1, "error": 1}}), "5 passed, 2 failed, 0 skipped"),
        ((3, None), "3 passed, 1 failed, 0 skipped"),
        ((1, {"outcomes": {"passed": 2}}), "5 passed, 1 failed, 0 skipped"),
    ],
)
def test_exit_code_is_1_if_a_session_fails_or_breaks(checkout: Checkout, session: object, closing: str) -> None:
    plan(checkout, session, PASSED)
    code, written = checkout.run("bin/test")
    assert (code, written.splitlines()[-1]) == (1, closing)


@pytest.mark.slow
def test_exit_code_is_1_only_if_no_root_has_a_test(checkout: Checkout) -> None:
    plan(checkout, (5, {"outcomes": {}}), PASSED, (5, {"outcomes": {}}), (5, {"outcomes": {}}))
    assert checkout.run("bin/test", "-k", "one")[0] == 0
    assert checkout.run("bin/test", "-k", "none")[0] == 1


@pytest.mark.slow
def test_durations_without_a_number_prints_25(checkout: Checkout) -> None:
    checkout.run("bin/test", "--durations", "tests/service")
    assert selected(calls(checkout)[0][1]) == ["--durations=25", "--durations-min=0.2", "tests/service"]


@pytest.mark.slow
def test_unknown_pytest_option_ends_without_a_summary(checkout: Checkout) -> None:
    plan(checkout, (4, None), PASSED)
    code, written = checkout.run("bin/test", "--nonsense")
    assert (code, len(calls(checkout))) == (2, 1)
    assert "passed" not in written
