"""Run the tests in one or more pytest sessions, and sum them up: the program behind `bin/test`.

There are two test roots, each with its own Django settings: `tests/observability` (the layer, on the probe project) and
the rest of `tests/` (the service, its settings, the commands, the docs). Paths select the roots that they belong to.
Standard library only: it runs before anything is installed.
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
ROOTS = {LAYER: "the observability layer", SERVICE: "the service, its settings, the commands and the docs"}
# The service's root has its paths in pyproject.toml: they include the tests.py of an app.
DEFAULT_PATHS = {LAYER: [LAYER], SERVICE: []}

# What `bin/test` leaves out unless it is asked for: markers of tests/plugin.py.
LEFT_OUT = ("browser", "external", "slow")

DRIVERS = {"postgresql": "requirements-postgresql.txt", "mysql": "requirements-mysql.txt"}
SCHEMES = {"sqlite": "sqlite", "mysql": "mysql", "mysql2": "mysql"} | dict.fromkeys(
    ("postgres", "postgresql", "psql", "pgsql"), "postgresql"
)
# The servers on which `--all` runs the tests that depend on the database, and the variables that name others.
SERVERS = {
    "PostgreSQL": ("POSTGRESQL_URL", "postgresql://postgres@127.0.0.1/vitrine"),
    "MariaDB": ("MYSQL_URL", "mysql://root@127.0.0.1/vitrine"),
}
BUGSINK = ["--directory", "var/bugsink/venv", "bin/requirements-bugsink.txt"]

# Options of pytest that select tests, and options whose next argument is their value.
SELECTING = ("-k", "-m", "--lf", "--last-failed", "--deselect", "--pyargs")
WITH_VALUE = ("-k", "-m", "-n", "-p", "-o", "-c", "-W", "--dist", "--deselect", "--ignore", "--maxfail", "--rootdir")
# Options that need the tests in pytest's own process.
IN_PROCESS = ("--pdb", "--trace", "-s", "--capture=no")

NO_TESTS, USAGE_ERROR, INTERRUPTED = 5, 4, 2
SLOWEST = 25

EPILOG = """\
Other arguments go to pytest: paths (from the root of the repository), -k, -x, -n, --query-budget=record, and so on.
Without a selection the tests marked browser, external or slow are left out; a path or -k runs all that it names.
Tests run in random order: --randomly-seed=NUMBER repeats one, -p no:randomly keeps the order of the files.
"""


@dataclass
class Session:
    """One run of pytest: a test root, on one database."""

    root: str
    database: str = "SQLite"
    arguments: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{ROOTS[self.root]}, on {self.database}"


@dataclass
class Total:
    """What all sessions did; `left_out` counts tests by the marker for which they were left out."""

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
            self.broken.append(f"pytest ended with {status} for {session.title}")


def main(arguments: list[str]) -> int:
    """Run the sessions that the arguments ask for; 0 if all tests passed, 1 if one failed, 2 for a wrong argument."""
    parser = make_parser()
    options, others = parser.parse_known_args(list(spell_out(arguments)))
    # A database or --all may be named anywhere; `--` ends our own options.
    others = [argument for argument in others if argument != "--"]
    if options.all and options.database:
        parser.error("--all runs the tests on each database; leave out --database")
    if options.database is not None and urlsplit(options.database).scheme not in SCHEMES:
        parser.error("--database takes a URL that begins with sqlite:, postgresql: or mysql:")
    paths, unknown = find_paths(others)
    if unknown:
        parser.error(f"there is no file or directory {unknown[0]!r}; paths start at the root of the repository")
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
        description="Run the tests: what protects a change, on SQLite.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--all", action="store_true", help="run every test, those that depend on the database also on PostgreSQL and "
        "MariaDB (POSTGRESQL_URL and MYSQL_URL name other servers); a missing part fails the tests that need it, and "
        "every route of the service needs a query budget"
    )  # fmt: skip
    parser.add_argument("--database", metavar="URL", help="run on this database, such as postgresql://user@host/name")
    parser.add_argument("--coverage", action="store_true", help="measure branch coverage, subprocesses too")
    parser.add_argument("--durations", type=int, metavar="N", help=f"print the N slowest tests ({SLOWEST})")
    return parser


def spell_out(arguments: list[str]) -> Iterator[str]:
    """Give `--durations` its default, so that argparse does not take a path for its value."""
    for argument, following in pairwise([*arguments, ""]):
        is_bare = argument == "--durations" and not following.isdecimal()
        yield f"--durations={SLOWEST}" if is_bare else argument


def find_paths(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the paths of tests, such as tests/service/test_admin.py::test_login, and those that do not exist."""
    pairs = pairwise(["", *arguments])
    named = [each for previous, each in pairs if not each.startswith("-") and previous not in WITH_VALUE]
    unknown = [each for each in named if not (ROOT / each.partition("::")[0]).exists()]
    return [each for each in named if each not in unknown], unknown


def install(options: argparse.Namespace) -> int:
    """Install what the sessions need; the exit status of the installer."""
    requirements = ["requirements-dev.txt"]
    if options.database and (driver := DRIVERS.get(SCHEMES[urlsplit(options.database).scheme])):
        requirements.append(driver)
    if options.all:
        requirements += DRIVERS.values()
        # A failure is reported by the tests that need it.
        subprocess.run([sys.executable, "bin/environment.py", *BUGSINK], cwd=ROOT, check=False)
    return subprocess.run([sys.executable, "bin/environment.py", *requirements], cwd=ROOT, check=False).returncode


def plan(
    options: argparse.Namespace, paths: list[str], arguments: list[str], *, is_selection: bool
) -> Iterator[Session]:
    """Return the sessions in their order."""
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
    """One process for each core; the tests of a file stay together, since they share servers."""
    if any(argument.startswith("-n") or argument in IN_PROCESS for argument in arguments):
        return []
    is_one_file = len(paths) == 1 and (ROOT / paths[0].partition("::")[0]).is_file()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # In the order in which tests/plugin.py puts the files.
    return [] if is_one_file else ["-n", str(cores), "--dist", "loadfile", "--no-loadscope-reorder"]


def run(sessions: list[Session]) -> Total:
    """Run the sessions one after the other."""
    # Images of containers often set PYTHONDONTWRITEBYTECODE: each process of the tests would compile all modules again.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    total = Total()
    begun = time.monotonic()
    for session in sessions:
        if len(sessions) > 1:
            say(f"\nTests of {session.title}\n")
        with tempfile.TemporaryDirectory() as directory:
            summary = Path(directory) / "summary.json"
            command = [str(PYTHON), "-m", "pytest", f"--summary-file={summary}", *session.arguments]
            status = subprocess.run(command, cwd=ROOT, env=inherited | session.variables, check=False).returncode
            total.add(session, status, json.loads(summary.read_text()) if summary.exists() else {})
        if status == USAGE_ERROR:
            # Pytest has printed which argument or setting is wrong.
            sys.exit(2)
        if status == INTERRUPTED:
            break
    total.seconds = time.monotonic() - begun
    return total


def coverage(*arguments: str) -> None:
    subprocess.run([PYTHON, "-m", "coverage", *arguments], cwd=ROOT, check=False)


def report(total: Total, seed: str, *, is_complete: bool) -> None:
    """Print what was left out and how to run it, then the closing line."""
    lines = [*total.broken]
    if total.failed and seed:
        lines.append(f"The order was that of --randomly-seed={seed}.")
    left_out = ", ".join(f"{count} {marker}" for marker, count in sorted(total.left_out.items()))
    if left_out and not is_complete:
        lines.append(f"Left out: {left_out}; PostgreSQL and MariaDB. `bin/test --all` runs them.")
    skipped = total.outcomes["skipped"]
    if skipped:
        lines.append(f"{skipped} skipped: the reasons are above.")
    lines.append(f"All of it took {total.seconds:.0f} s.")
    say("\n" + "\n".join(lines))
    say(f"{total.outcomes['passed']} passed, {total.failed} failed, {skipped} skipped")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
