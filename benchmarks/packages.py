"""Install packages for comparison, each in its own environment, because the project does not depend on them."""

import subprocess
import sys
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parent.parent / "var" / "benchmarks"


def site_packages(name: str) -> Path | None:
    """Return the directory of a package for `sys.path`; install it at the first call. Return None if that fails."""
    environment = DIRECTORY / name
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
                reason = (completed.stderr or completed.stdout).strip().splitlines() or ["unknown reason"]
                sys.stderr.write(f"Could not install {name}, so it is not measured: {reason[-1]}\n")
                return None
        installed.touch()
    return next((environment / "lib").glob("python*/site-packages"))
