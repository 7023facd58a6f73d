"""`python -m observability.logs.reading` as a process of its own, without settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.observability.logs.reading.records import failure, record, request, write
from tests.server import DEADLINE_S, ROOT

COMMAND = [sys.executable, "-m", "observability.logs.reading", "--in"]


def run(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO")}
    environment |= {"PYTHONWARNINGS": "error"} | variables
    return subprocess.run(
        [*COMMAND, str(directory), *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=DEADLINE_S, check=False,
    )  # fmt: skip


def test_report_needs_no_settings(log_dir: Path) -> None:
    write(log_dir, *failure())
    completed = run(log_dir, "top")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert completed.stdout.startswith("1 request, ")


def test_nothing_of_django_is_imported(log_dir: Path) -> None:
    write(log_dir, request())
    script = (
        "import sys; from observability.logs.reading.__main__ import main; "
        f"main(['--in', {str(log_dir)!r}, 'top']); sys.exit('django' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, timeout=DEADLINE_S)


def test_reader_that_has_enough_ends_it_quietly(log_dir: Path) -> None:
    write(log_dir, *(record(second, "x" * 1_000) for second in range(3_000)))
    command = " ".join([*COMMAND, str(log_dir), "--no-follow", "-n", "3000", "| head -1"])
    completed = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert (completed.returncode, completed.stderr) == (0, "")
    assert len(completed.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["request", "request-2"], 1, "No line has the id"),
        (["top", "--where", "stauts = 1"], 1, "--where is 'stauts = 1'"),
        (["--since", "yesterday", "--no-follow"], 1, "--since is 'yesterday'"),
        (["nothing"], 2, "invalid choice"),
    ],
)
def test_what_cannot_be_answered_is_told_in_a_sentence(
    log_dir: Path, arguments: list[str], status: int, told: str
) -> None:
    write(log_dir, request())
    completed = run(log_dir, *arguments)
    assert completed.returncode == status
    assert told in completed.stderr
    assert "Traceback" not in completed.stderr


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_line_with_half_a_surrogate_is_written(log_dir: Path, options: list[str]) -> None:
    write(log_dir, '{"timestamp":"2026-01-05T08:30:00Z","event":"half \\ud83d"}')
    completed = run(log_dir, "--no-follow", *options, PYTHONIOENCODING="utf-8")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert "half " in completed.stdout
