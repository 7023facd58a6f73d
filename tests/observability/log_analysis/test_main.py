"""`python -m observability.log_analysis`, without settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from observability.log_analysis.__main__ import main
from tests.observability.log_analysis.records import failure, record, request, write
from tests.observability.logs.processes import TIMEOUT_S, run_python
from tests.server import ROOT

COMMAND = ["-m", "observability.log_analysis", "--in"]
# Prints the report, then whether Django was imported.
IMPORTING = """
import sys
from observability.log_analysis.__main__ import main
print("status", main(sys.argv[1:]))
print("django" in sys.modules)
"""


def run(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO")}
    environment |= {"PYTHONWARNINGS": "error"} | variables
    return run_python(*COMMAND, str(directory), *arguments, environment=environment)


def test_report_needs_no_settings(log_dir: Path) -> None:
    write(log_dir, *failure())
    completed = run(log_dir, "top")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert completed.stdout.startswith("1 request, ")


def test_django_is_not_imported(log_dir: Path) -> None:
    write(log_dir, request())
    completed = run_python("-c", IMPORTING, "--in", str(log_dir), "top")
    assert completed.stdout.startswith("1 request, ")
    assert (completed.stdout.splitlines()[-2:], completed.stderr) == (["status 0", "False"], "")


def test_closed_pipe_ends_the_command_quietly(log_dir: Path) -> None:
    write(log_dir, *(record(second, "x" * 1_000) for second in range(3_000)))
    command = " ".join([sys.executable, *COMMAND, str(log_dir), "--no-follow", "-n", "3000", "| head -1"])
    completed = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert (completed.returncode, completed.stderr) == (0, "")
    assert len(completed.stdout.splitlines()) == 1


def test_error_is_printed_to_stderr_with_exit_status_1(log_dir: Path) -> None:
    write(log_dir, request())
    completed = run(log_dir, "request", "request-2")
    assert (completed.returncode, completed.stdout) == (1, "")
    assert completed.stderr.startswith("No log line has the id 'request-2'")
    assert "Traceback" not in completed.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["top", "--where", "stauts = 1"], "--where is 'stauts = 1'"),
        (["--since", "yesterday", "--no-follow"], "--since is 'yesterday'"),
    ],
)
def test_invalid_option_value_is_an_error_that_names_the_option(
    log_dir: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(log_dir, request())
    assert main(["--in", str(log_dir), *arguments]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err.startswith(message)) == ("", True)


def test_unknown_subcommand_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["nothing"])
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_line_with_half_a_surrogate_is_written(log_dir: Path, options: list[str]) -> None:
    write(log_dir, '{"timestamp":"2026-01-05T08:30:00Z","event":"half \\ud83d"}')
    completed = run(log_dir, "--no-follow", *options, PYTHONIOENCODING="utf-8")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert "half " in completed.stdout
