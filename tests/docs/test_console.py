"""Every command of the documentation runs, and prints what its page shows."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.console import Command, Shell, matches, parse_commands, running_clone
from tests.docs.pages import PAGES_WITH_OWN_LOGS, Block, find_blocks, find_pages
from tests.server import ROOT, wait_for

# Commands that set up, serve until Ctrl-C or take minutes. Each has the test or script that runs it, and its text there.
RUN_ELSEWHERE = {
    "git clone …": (".ci/fresh-clone", '["git", "clone"'),
    "bin/run --production": ("tests/bin/test_run.py", '"bin/run", "--production"'),
    "bin/test": ("tests/bin/test_run_tests.py", '"bin/test"'),
    "bin/test --all": (".ci/run", "bin/test --all\n"),
    "bin/check": (".ci/run", "\nbin/check\n"),
    "bin/sentry": ("tests/bin/test_sentry.py", '"bin/sentry"'),
    "bin/lock": ("tests/bin/test_commands.py", '"bin/lock"'),
    "bin/screenshots": ("tests/bin/test_commands.py", '"bin/screenshots"'),
    "bin/bench": ("tests/bin/test_commands.py", '"bin/bench"'),
}


def find_commands(page: str) -> list[Command]:
    blocks = [block for block in find_blocks(page) if block.language == "console"]
    commands = [command for block in blocks for command in parse_commands(block)]
    return [command for command in commands if not is_run_elsewhere(command.text)]


def is_run_elsewhere(text: str) -> bool:
    patterns = (re.escape(name).replace("…", ".*") for name in RUN_ELSEWHERE)
    return any(re.fullmatch(pattern, text) for pattern in patterns)


COMMANDS = {page: commands for page in find_pages() if (commands := find_commands(page))}


@pytest.mark.slow
@pytest.mark.external("jq")
@pytest.mark.parametrize("page", sorted(COMMANDS.keys() - PAGES_WITH_OWN_LOGS))
def test_each_command_of_a_page_prints_what_the_page_shows(page: str, tmp_path: Path) -> None:
    failures = []
    with running_clone(tmp_path) as clone:
        for command in COMMANDS[page]:
            code, printed = clone.run(command)
            if code != command.exit_code or (command.output and not matches(command.output, printed)):
                failures.append(f"{command}\nexit code {code}\n{printed}")
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize(("place", "text"), RUN_ELSEWHERE.values(), ids=RUN_ELSEWHERE.keys())
def test_commands_that_are_run_elsewhere_are_run_there(place: str, text: str) -> None:
    assert text in (ROOT / place).read_text()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    opened = Shell(tmp_path, dict(os.environ))
    yield opened
    opened.close()


def test_command_of_a_page_fails_with_a_failed_part_of_its_pipeline(shell: Shell) -> None:
    assert shell.run("name=value; false | cat") == (1, "")
    assert shell.run("echo $name; echo to stderr >&2") == (0, "value\nto stderr\n")


def test_command_that_ends_the_shell_is_an_error(shell: Shell) -> None:
    with pytest.raises(AssertionError, match="exit 3 ended the shell"):
        shell.run("exit 3")


def test_shell_ends_what_its_commands_started(shell: Shell) -> None:
    code, printed = shell.run("sleep 600 & echo $!")
    shell.close()
    assert code == 0
    with pytest.raises(ProcessLookupError):
        wait_for(lambda: os.kill(int(printed), 0), "the end of the child")


@pytest.mark.parametrize("text", ["$ ls \\\n", "$ cat <<EOF\nEO\n", "output\n"])
def test_block_that_cannot_be_run_is_named(text: str) -> None:
    with pytest.raises(AssertionError, match="page.md:7"):
        parse_commands(Block("page.md", 7, "console", text))


@pytest.mark.parametrize(
    ("expected", "printed", "is_match"),
    [
        ("GET / 200 in 1.5 ms", "GET / 200 in 20 ms", True),
        ("GET / 200 in 1.5 ms", "GET / 200 in 20 s", False),
        ("GET / 200", "GET / 404", False),
        ("first\n…\nlast", "first\nlast", True),
        ("first\n…\nlast", "first\n1\n2\nlast", True),
        ("first\n…", "second\n", False),
        ("id 5f1d3a8c9b204e67", "id 8485db1c9f9da7d2", True),
        ("a  b", "a      b", True),
        ("one … three", "one two three", True),
        ("one … three", "one two\nthree", False),
    ],
)
def test_output_is_compared_by_the_kind_of_its_values(expected: str, printed: str, is_match: bool) -> None:
    assert matches(expected, printed) is is_match
