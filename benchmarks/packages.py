"""Packages that a benchmark compares with, each in an environment of its own: the project does not depend on them."""

import subprocess
import sys
from pathlib import Path

PLACE = Path(__file__).resolve().parent.parent / "var" / "benchmarks"


def site_packages(name: str) -> Path | None:
    """Where a package is installed, for `sys.path`; it is installed at the first call, and None where it cannot be."""
    environment = PLACE / name
    installed = environment / "installed"
    if not installed.exists():
        sys.stderr.write(f"Installing {name} into var/benchmarks (once) …\n")
        python = environment / "bin" / "python"
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(environment)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", name],
        ):
            completed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - as named
            if completed.returncode:
                reason = (completed.stderr or completed.stdout).strip().splitlines() or ["no reason was given"]
                sys.stderr.write(f"{name} cannot be installed, and is left out: {reason[-1]}\n")
                return None
        installed.touch()
    return next((environment / "lib").glob("python*/site-packages"))
