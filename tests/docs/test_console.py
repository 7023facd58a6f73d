"""Every command of the documentation runs, and prints what its page shows."""

import re
from pathlib import Path

import pytest

from tests.docs.console import Command, matches, parse_commands, running_clone
from tests.docs.pages import PAGES_WITH_OWN_LOGS, find_blocks, find_pages
from tests.server import ROOT

# Commands that set up, serve until Ctrl-C or take minutes, each with the test that runs it.
RUN_ELSEWHERE = {
    "git clone …": ".ci/fresh-clone",
    "bin/run --production": "tests/bin/test_run.py",
    "bin/test": "tests/bin/test_run_tests.py",
    "bin/test --all": ".ci/run",
    "bin/check": ".ci/run",
    "bin/sentry": "tests/bin/test_sentry.py",
    "bin/lock": "tests/bin/test_commands.py",
    "bin/screenshots": "tests/bin/test_commands.py",
    "bin/bench": "tests/bin/test_commands.py",
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


@pytest.mark.parametrize("place", sorted(set(RUN_ELSEWHERE.values())))
def test_commands_that_are_run_elsewhere_are_run_there(place: str) -> None:
    text = (ROOT / place).read_text()
    programs = {name.split()[0] for name, each in RUN_ELSEWHERE.items() if each == place}
    assert {program for program in programs if program.removeprefix("bin/") not in text} == set()
