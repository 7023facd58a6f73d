"""Create checkouts with the commands of bin/, without requirements, and with a PATH that the test controls."""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.server import ROOT

DEADLINE_S = 60

# The interpreter outside the virtual environment of the tests: the commands create their own environment.
PYTHON = os.path.realpath(sys.executable)

MANAGE = """\
import os, sys
print(sys.argv[1:], os.environ["DJANGO_SETTINGS_MODULE"], flush=True)
"""

# A fake uv: it records its arguments, creates a minimal virtual environment, and installs nothing.
FAKE_UV = """\
#!/bin/sh
echo "$*" >> "${{0}}.log"
case "$1 $2" in
    'venv --quiet')
        set -e
        mkdir -p "$5/bin" "$5/lib/python{version}/site-packages"
        ln -s {python} "$5/bin/python"
        echo "home = {home}" > "$5/pyvenv.cfg"
        ;;
    'pip install') {installation} ;;
esac
"""


@dataclass
class Checkout:
    """A copy of bin/ in `path`; PATH is the directory `programs`."""

    path: Path
    programs: Path

    @property
    def environment(self) -> Path:
        """The virtual environment that the commands create."""
        return self.path / ".venv"

    def variables(self, **more: str) -> dict[str, str]:
        """Return the variables of the commands: none of this machine, and no package index for pip."""
        home = self.programs.parent
        return {"PATH": str(self.programs), "HOME": str(home), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", **more}

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command in the checkout, in its own process group; stdout and stderr are one stream."""
        return subprocess.Popen(
            command,
            cwd=self.path,
            env=self.variables(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, **variables: str) -> tuple[int, str]:
        """Run a command and return its exit code and output."""
        with self.start(*command, **variables) as process:
            output, _ = process.communicate(timeout=DEADLINE_S)
        return process.returncode, output

    def set_up(self, requirements: str = "requirements.txt", **variables: str) -> tuple[int, str]:
        """Set up the virtual environment, as each command does first."""
        return self.run(PYTHON, "bin/environment.py", requirements, **variables)

    def prefix(self) -> Path:
        """Return `sys.prefix` of the Python in .venv."""
        python = self.environment / "bin" / "python"
        return Path(subprocess.check_output([python, "-c", "import sys; print(sys.prefix)"], text=True).strip())

    def add_program(self, name: str, program: str) -> Path:
        """Add a script to the PATH."""
        path = self.programs / name
        path.write_text(program)
        path.chmod(0o755)
        return path

    def add_python(self, name: str = "python3") -> None:
        """Add a supported Python to the PATH."""
        self.add_program(name, f"#!/bin/sh\nexec '{PYTHON}' \"$@\"\n")

    def add_uv(self, installation: str = "exit 0") -> None:
        """Add a fake uv to the PATH; `installation` is the shell command that `uv pip install` runs."""
        version = sysconfig.get_python_version()
        home = Path(PYTHON).parent
        self.add_program("uv", FAKE_UV.format(installation=installation, python=PYTHON, home=home, version=version))

    def uv_calls(self) -> list[str]:
        """Return the arguments of each call of the fake uv, except `uv --version`."""
        calls = (self.programs / "uv.log").read_text().splitlines()
        return [line for line in calls if line != "--version"]


def make_checkout(parent: Path) -> Checkout:
    """Create a checkout whose path has a space, with only a shell and Python on its PATH."""
    checkout = Checkout(parent / "a clone", parent / "programs")
    checkout.programs.mkdir()
    shutil.copytree(ROOT / "bin", checkout.path / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.txt", "requirements-dev.txt"):
        (checkout.path / name).touch()
    (checkout.path / "manage.py").write_text(MANAGE)
    for name in ("sh", "dirname", "ln", "mkdir", "readlink", "sleep"):
        (checkout.programs / name).symlink_to(shutil.which(name) or name)
    checkout.add_python()
    return checkout
