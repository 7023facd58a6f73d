"""Run the tests in one or more pytest sessions and print a summary; `bin/test` runs this program.

There are two test roots, each with its own Django settings: `tests/observability` (the layer, with the probe project)
and the rest of `tests/` (the service, its settings, the commands, the docs). If paths are given, only their roots run.
This program needs only the standard library, because it runs before anything is installed.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"

LAYER = "tests/observability"
SERVICE = "tests"
ROOTS = {LAYER: "the observability layer", SERVICE: "the service, the settings, the commands and the docs"}
# The paths of the service's root are in pyproject.toml: they include the tests.py of each app.
DEFAULT_PATHS = {LAYER: [LAYER], SERVICE: []}

# Markers of tests that `bin/test` leaves out if nothing selects them; tests/plugin.py defines the markers.
LEFT_OUT = ("browser", "external", "slow")

DRIVERS = {"postgresql": "requirements-postgresql.txt", "mysql": "requirements-mysql.txt"}
SCHEMES = {"sqlite": "sqlite", "mysql": "mysql", "mysql2": "mysql"} | dict.fromkeys(
    ("postgres", "postgresql", "psql", "pgsql"), "postgresql"
)
# The servers on which `--all` runs the tests marked `database`: the variable with the URL, and its default.
SERVERS = {
    "PostgreSQL": ("POSTGRESQL_URL", "postgresql://postgres@127.0.0.1/vitrine"),
    "MariaDB": ("MYSQL_URL", "mysql://root@127.0.0.1/vitrine"),
}
BUGSINK = ["--directory", "var/bugsink/venv", "bin/requirements-bugsink.txt"]

# Options of pytest that select tests, and options that take the next argument as their value.
SELECTING = ("-k", "-m", "--lf", "--last-failed", "--deselect", "--pyargs")
WITH_VALUE = ("-k", "-m", "-n", "-p", "-o", "-c", "-W", "--dist", "--deselect", "--ignore", "--maxfail", "--rootdir")
# Options that work only if pytest does not start worker processes.
IN_PROCESS = ("--pdb", "--trace", "-s", "--capture=no")

NO_TESTS, USAGE_ERROR, INTERRUPTED = 5, 4, 2
SLOWEST = 25

EPILOG = """\
Other arguments are passed to pytest: paths (relative to the repository), -k, -x, -n, --query-budget=record, and so on.
If no path, -k or -m selects tests, the tests marked browser, external or slow are left out.
Tests run in random order: --randomly-seed=NUMBER repeats an order, -p no:randomly uses the order of the files.
"""


@dataclass
class Session:
    """One run of pytest: one test root on one database."""

    root: str
    database: str = "SQLite"
    arguments: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{ROOTS[self.root]}, on {self.database}"


@dataclass
class Total:
    """The results of all sessions. `left_out` counts the tests that were not run, by their marker."""

    outcomes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0

    @property
    def failed(self) -> int:
        return self.outcomes["failed"] + self.outcomes["error"] + len(self.broken)

    def add(self, session: Session, status: int, summary: dict[str, dict[str, int]]) -> None:
        outcomes = Counter(summary.get("outcomes", {}))
        self.outcomes += outcomes
        self.left_out += Counter(summary.get("left_out", {}))
        if status not in (0, NO_TESTS) and not outcomes["failed"] + outcomes["error"]:
            self.broken.append(f"pytest exited with {status} in: {session.title}")


def main(arguments: list[str]) -> int:
    """Run the selected sessions. Return 0 if all tests passed, 1 if one failed, 2 if an argument is wrong."""
    parser = make_parser()
    options, others = parser.parse_known_args(list(add_default_durations(arguments)))
    # Our own options may be anywhere; a `--` is not passed on to pytest.
    others = [argument for argument in others if argument != "--"]
    if options.all and options.database:
        parser.error("--all already runs the tests on all databases; remove --database")
    if options.database is not None and (scheme := urlsplit(options.database).scheme) not in SCHEMES:
        # The rest of the URL may contain a password.
        parser.error(f"--database is a URL with the scheme {scheme!r}. Allowed: 'sqlite', 'postgresql', 'mysql'")
    paths, unknown = find_paths(others)
    if unknown:
        parser.error(f"file or directory not found: {unknown[0]!r}; paths are relative to the repository")
    is_selection = bool(paths) or any(argument.startswith(SELECTING) for argument in others)
    others = [argument for argument in others if argument not in paths]
    if status := install(options):
        return status
    if options.coverage:
        others += ["--cov", "--cov-append", "--cov-report="]
        coverage("erase")
    if options.durations is not None:
        others += [f"--durations={options.durations}", "--durations-min=0.2"]
    seed = next((each.partition("=")[2] for each in others if each.startswith("--randomly-seed=")), "")
    if not seed and "no:randomly" not in others:
        seed = str(random.SystemRandom().randrange(1_000_000))
        others.append(f"--randomly-seed={seed}")
    sessions = list(plan(options, paths, others, is_selection=is_selection))
    total = run(sessions)
    if options.coverage:
        coverage("report", "--skip-covered", "--sort=cover")
        coverage("html", "--directory=var/coverage/html", "--quiet")
    report(total, seed, is_complete=options.all or is_selection)
    return 1 if total.failed or not total.outcomes else 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/test",
        usage="bin/test [--all] [--database URL] [--coverage] [--durations [N]] [path | pytest option] …",
        description="Run the tests. Without options, run the fast tests on SQLite.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--all", action="store_true", help="run all tests; run the tests marked database on PostgreSQL and MariaDB too "
        "(servers: POSTGRESQL_URL and MYSQL_URL); if an optional part such as Chromium is missing, the tests that need "
        "it fail; every route of the service must have a query budget"
    )  # fmt: skip
    parser.add_argument(
        "--database", metavar="URL", help="run the tests on this database, such as postgresql://user@host/name"
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="measure branch coverage, also of subprocesses; the report is in var/coverage/html",
    )
    parser.add_argument("--durations", type=int, metavar="N", help=f"print the N slowest tests (default: {SLOWEST})")
    return parser


def add_default_durations(arguments: list[str]) -> Iterator[str]:
    """Add the default value to `--durations`, so that argparse does not use a path as its value."""
    for argument, following in pairwise([*arguments, ""]):
        is_bare = argument == "--durations" and not following.isdecimal()
        yield f"--durations={SLOWEST}" if is_bare else argument


def find_paths(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the existing paths, such as tests/service/test_admin.py::test_login, and those that do not exist."""
    pairs = pairwise(["", *arguments])
    named = [each for previous, each in pairs if not each.startswith("-") and previous not in WITH_VALUE]
    unknown = [each for each in named if not (ROOT / each.partition("::")[0]).exists()]
    return [each for each in named if each not in unknown], unknown


def install(options: argparse.Namespace) -> int:
    """Install the packages that the sessions need. Return the exit code of the installer."""
    requirements = ["requirements-dev.txt"]
    if options.database and (driver := DRIVERS.get(SCHEMES[urlsplit(options.database).scheme])):
        requirements.append(driver)
    if options.all:
        requirements += DRIVERS.values()
        # If this fails, the tests that need Bugsink report it.
        subprocess.run([sys.executable, "bin/environment.py", *BUGSINK], cwd=ROOT, check=False)
    return subprocess.run([sys.executable, "bin/environment.py", *requirements], cwd=ROOT, check=False).returncode


def plan(
    options: argparse.Namespace, paths: list[str], arguments: list[str], *, is_selection: bool
) -> Iterator[Session]:
    """Yield the sessions in the order in which they run."""
    common = [*workers(paths, arguments), *arguments]
    if options.all:
        common.append("--require-parts")
    elif not is_selection:
        common += ["-m", " and ".join(f"not {marker}" for marker in LEFT_OUT)]
    variables = {"DATABASE_URL": options.database or "sqlite://:memory:"}
    database = "SQLite" if options.database is None else urlsplit(options.database).scheme
    chosen = {root: [path for path in paths if root_of(path) == root] for root in ROOTS}
    roots = [root for root in ROOTS if chosen[root] or not paths]
    for root in roots:
        required = ["--query-budget-require-routes"] if options.all and root == SERVICE else []
        yield Session(root, database, [*common, *required, *(chosen[root] or DEFAULT_PATHS[root])], variables)
    if options.all:
        for name, (variable, url) in SERVERS.items():
            on_server = {"DATABASE_URL": os.environ.get(variable) or url}
            for root in roots:
                yield Session(
                    root, name, [*common, "-m", "database", *(chosen[root] or DEFAULT_PATHS[root])], on_server
                )


def root_of(path: str) -> str:
    parts = Path(os.path.relpath(ROOT / path.partition("::")[0], ROOT)).parts
    return LAYER if parts[:2] == Path(LAYER).parts else SERVICE


def workers(paths: list[str], arguments: list[str]) -> list[str]:
    """Return the options for one worker per core; tests of a file share servers, so they run in the same worker."""
    if any(argument.startswith("-n") or argument in IN_PROCESS for argument in arguments):
        return []
    is_one_file = len(paths) == 1 and (ROOT / paths[0].partition("::")[0]).is_file()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # --no-loadscope-reorder keeps the order of tests/plugin.py, which sorts slow files first.
    return [] if is_one_file else ["-n", str(cores), "--dist", "loadfile", "--no-loadscope-reorder"]


def run(sessions: list[Session]) -> Total:
    """Run the sessions one after the other."""
    # Container images often set PYTHONDONTWRITEBYTECODE: then each test process would compile all modules again.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    total = Total()
    started = time.monotonic()
    for session in sessions:
        if len(sessions) > 1:
            print_now(f"\nTests of {session.title}\n")
        with tempfile.TemporaryDirectory() as directory:
            summary = Path(directory) / "summary.json"
            command = [str(PYTHON), "-m", "pytest", f"--summary-file={summary}", *session.arguments]
            status = subprocess.run(command, cwd=ROOT, env=inherited | session.variables, check=False).returncode
            total.add(session, status, json.loads(summary.read_text()) if summary.exists() else {})
        if status == USAGE_ERROR:
            # Pytest has already printed the wrong argument or setting.
            sys.exit(2)
        if status == INTERRUPTED:
            break
    total.seconds = time.monotonic() - started
    return total


def coverage(*arguments: str) -> None:
    subprocess.run([PYTHON, "-m", "coverage", *arguments], cwd=ROOT, check=False)


def report(total: Total, seed: str, *, is_complete: bool) -> None:
    """Print which tests were left out and how to run them, then the line with the totals."""
    lines = [*total.broken]
    if total.failed and seed:
        lines.append(f"To repeat the order of the tests, add --randomly-seed={seed}.")
    left_out = ", ".join(f"{count} {marker}" for marker, count in sorted(total.left_out.items()))
    if left_out and not is_complete:
        lines.append(f"Left out: {left_out}; PostgreSQL and MariaDB. `bin/test --all` runs them.")
    skipped = total.outcomes["skipped"]
    if skipped:
        lines.append(f"{skipped} skipped: the reasons are above.")
    lines.append(f"Total time: {total.seconds:.0f} s.")
    print_now("\n" + "\n".join(lines))
    print_now(f"{total.outcomes['passed']} passed, {total.failed} failed, {skipped} skipped")


def print_now(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
