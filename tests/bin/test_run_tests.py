"""bin/test: which sessions of pytest it runs, and how it sums them up."""

import json
from pathlib import Path

import pytest

from tests.bin.checkout import Checkout
from tests.bin.test_commands import stamp_all

# Writes down how it was called, and ends like the sessions of PLANNED, one after the other.
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
    """A clone with a stand-in for pytest, all of whose sessions pass."""
    checkout = stamp_all(ready_checkout)
    (checkout.path / "pytest.py").write_text(PYTEST)
    for directory in (LAYER, "tests/service"):
        (checkout.path / directory).mkdir(parents=True)
        (checkout.path / directory / "test_a.py").touch()
    plan(checkout, *[PASSED] * 6)
    return checkout


def plan(checkout: Checkout, *sessions: object) -> None:
    (checkout.path / "planned").write_text("".join(f"{json.dumps(session)}\n" for session in sessions))


def calls(checkout: Checkout) -> list[tuple[str, list[str]]]:
    """The DATABASE_URL and the arguments of each session."""
    file: Path = checkout.path / "calls"
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def selected(arguments: list[str]) -> list[str]:
    """The arguments without those for processes and order, which are tested on their own."""
    ignored = [index for index, each in enumerate(arguments) if each in ("-n", "--dist")]
    left = [each for index, each in enumerate(arguments) if index not in ignored and index - 1 not in ignored]
    return [each for each in left if not each.startswith(("--randomly-seed=", "--no-loadscope-reorder"))]


FAST = ["-m", "not browser and not external and not slow"]


def test_without_arguments_both_roots_run_what_is_fast_on_sqlite(checkout: Checkout) -> None:
    code, written = checkout.run("bin/test")
    assert code == 0
    assert [(url, selected(arguments)) for url, arguments in calls(checkout)] == [
        ("sqlite://:memory:", [*FAST, LAYER]),
        ("sqlite://:memory:", FAST),
    ]
    assert written.splitlines()[-1] == "6 passed, 0 failed, 0 skipped"


@pytest.mark.slow
def test_database_of_the_environment_is_not_used(checkout: Checkout) -> None:
    checkout.run("bin/test", DATABASE_URL="postgresql://root@127.0.0.1/mine")
    assert {url for url, _ in calls(checkout)} == {"sqlite://:memory:"}


def test_tests_run_in_as_many_processes_as_there_are_cores_file_by_file(checkout: Checkout) -> None:
    checkout.run("bin/test")
    arguments = calls(checkout)[0][1]
    assert arguments[0] == "-n"
    assert int(arguments[1]) >= 1
    assert arguments[2:4] == ["--dist", "loadfile"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "given", [["-n", "3"], ["-n0"], ["--pdb"], ["tests/service/test_a.py"], ["tests/service/test_a.py::test_b"]]
)
def test_number_of_processes_is_left_to_the_person_and_one_file_needs_one(checkout: Checkout, given: list[str]) -> None:
    if "::" in given[0]:
        plan(checkout, (0, {"outcomes": {"passed": 1}}))
    assert checkout.run("bin/test", *given)[0] == 0
    assert "--dist" not in calls(checkout)[0][1]


@pytest.mark.slow
def test_order_is_random_alike_for_all_sessions_and_named_if_one_fails(checkout: Checkout) -> None:
    plan(checkout, (1, {"outcomes": {"passed": 3, "failed": 1}, "left_out": {}}), PASSED)
    code, written = checkout.run("bin/test")
    seeds = {
        next(each for each in arguments if each.startswith("--randomly-seed=")) for _, arguments in calls(checkout)
    }
    assert len(seeds) == 1
    assert code == 1
    assert f"The order was that of {seeds.pop()}." in written.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("given", [["-p", "no:randomly"], ["--randomly-seed=7"]])
def test_order_that_is_given_is_kept(checkout: Checkout, given: list[str]) -> None:
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
def test_selection_runs_all_that_it_names_in_its_root(
    checkout: Checkout, given: list[str], sessions: list[list[str]]
) -> None:
    assert checkout.run("bin/test", *given)[0] == 0
    assert [selected(arguments) for _, arguments in calls(checkout)] == sessions


@pytest.mark.slow
def test_all_requires_every_part_and_runs_on_three_databases(checkout: Checkout) -> None:
    for name in ("postgresql", "mysql"):
        (checkout.path / f"requirements-{name}.txt").touch()
    checkout.put_uv()
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
def test_database_of_bin_test_is_that_of_the_tests_and_its_driver_is_installed(checkout: Checkout) -> None:
    checkout.put_uv()
    (checkout.path / "requirements-mysql.txt").touch()
    assert checkout.run("bin/test", "--database", "mysql://root@127.0.0.1/vitrine", "-k", "one")[0] == 0
    assert {url for url, _ in calls(checkout)} == {"mysql://root@127.0.0.1/vitrine"}
    assert checkout.asked_of_uv()[-1].endswith("requirements-mysql.txt")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--database", ""], "--database takes a URL that begins with sqlite:, postgresql: or mysql:"),
        (
            ["--database", "oracle://host/name"],
            "--database takes a URL that begins with sqlite:, postgresql: or mysql:",
        ),
        (["--all", "--database", "sqlite://:memory:"], "--all runs the tests on each database; leave out --database"),
        (["tests/nothing.py"], "there is no file or directory 'tests/nothing.py'"),
    ],
)
def test_argument_that_is_wrong_is_refused_before_anything_is_installed(
    checkout: Checkout, given: list[str], message: str
) -> None:
    (checkout.environment / "requirements-dev.txt.stamp").unlink()
    code, written = checkout.run("bin/test", *given)
    assert (code, calls(checkout)) == (2, [])
    assert f"bin/test: error: {message}" in written.splitlines()[-1]
    assert "Installing" not in written


def test_last_lines_say_what_was_left_out_and_how_to_run_it(checkout: Checkout) -> None:
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
def test_session_that_fails_or_breaks_fails_the_whole(checkout: Checkout, session: object, closing: str) -> None:
    plan(checkout, session, PASSED)
    code, written = checkout.run("bin/test")
    assert (code, written.splitlines()[-1]) == (1, closing)


@pytest.mark.slow
def test_no_test_at_all_is_a_failure_but_a_root_without_one_is_not(checkout: Checkout) -> None:
    plan(checkout, (5, {"outcomes": {}}), PASSED, (5, {"outcomes": {}}), (5, {"outcomes": {}}))
    assert checkout.run("bin/test", "-k", "one")[0] == 0
    assert checkout.run("bin/test", "-k", "none")[0] == 1


@pytest.mark.slow
def test_durations_have_a_default(checkout: Checkout) -> None:
    checkout.run("bin/test", "--durations", "tests/service")
    assert selected(calls(checkout)[0][1]) == ["--durations=25", "--durations-min=0.2", "tests/service"]


@pytest.mark.slow
def test_option_that_pytest_does_not_have_ends_with_its_message_alone(checkout: Checkout) -> None:
    plan(checkout, (4, None), PASSED)
    code, written = checkout.run("bin/test", "--nonsense")
    assert (code, len(calls(checkout))) == (2, 1)
    assert "passed" not in written
