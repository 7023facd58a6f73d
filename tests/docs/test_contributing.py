"""The examples of CONTRIBUTING.md work, and the configuration of git hooks and CI names what exists."""

import re
import shlex
from typing import Any

import pytest
import yaml

from observability import observe
from observability.core.context import current
from observability.core.readers import readers
from tests.docs.pages import find_blocks, read_page
from tests.server import ROOT

# Run by the workflow before it, or by the machine of CI.
PROGRAMS_OF_CI = {"python3", "sudo"}


def load_example(heading: str) -> dict[str, Any]:
    """Execute the example of Python that contains a text, and return its names."""
    (block,) = [each for each in find_blocks("CONTRIBUTING.md") if each.language == "python" and heading in each.text]
    names: dict[str, Any] = {}
    exec(block.text, names)
    return names


def test_example_of_a_reader_gets_each_closed_observation(capsys: pytest.CaptureFixture[str]) -> None:
    with readers.added(load_example("class PrintReader")["PrintReader"]()), observe("import"):
        pass
    kind, duration_ms = capsys.readouterr().out.split()
    assert (kind, float(duration_ms) >= 0) == ("span", True)


def test_example_of_a_recorder_counts_the_request() -> None:
    record_request = load_example("def record_request")["record_request"]
    record_request("GET", "api.example.com", "200", 12.5)
    with observe("import"):
        record_request("GET", "api.example.com", "200", 12.5)
        observation = current()
    assert observation is not None
    assert (observation.outgoing_count, observation.outgoing_duration_ms) == (1, 12.5)


def test_checks_that_the_page_shows_are_those_of_bin_check() -> None:
    shown = re.findall(r"^(.+?) +passed$", read_page("CONTRIBUTING.md"), re.MULTILINE)
    assert shown == re.findall(r"Check\(\s+\"(.+?)\",", (ROOT / "bin" / "checks.py").read_text())


def test_hooks_of_pre_commit_run_programs_that_exist() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    programs = {shlex.split(hook["entry"])[0] for hook in local["hooks"]}
    assert {program for program in programs if not (ROOT / program).exists()} == set()


def test_workflow_runs_the_checks_and_all_tests_against_servers() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    job = workflow["jobs"]["test"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert {"bin/check", "bin/test --all"} <= set(commands)
    programs = {command.split()[0] for command in commands} - PROGRAMS_OF_CI
    assert {program for program in programs if not (ROOT / program).exists()} == set()
    ports = {port.partition(":")[0] for service in job["services"].values() for port in service["ports"]}
    assert ports == {"5432", "3306"}
    variables = set(re.findall(r'\("([A-Z]+_URL)"', (ROOT / "bin" / "run_tests.py").read_text()))
    assert {name for name in job["env"] if name.endswith("_URL")} == variables
