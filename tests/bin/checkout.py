"""A repository with the commands of bin/ and nothing to install, on a machine that has the programs a test gives it."""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.server import ROOT

DEADLINE_S = 60

# The interpreter behind the environment of the tests, since the commands make an environment of their own.
PYTHON = os.path.realpath(sys.executable)

MANAGE = """\
import os, sys
print(sys.argv[1:], os.environ["DJANGO_SETTINGS_MODULE"], flush=True)
"""

# Makes an environment of what Python needs to take it for one, installs nothing, and writes down its arguments.
UV = """\
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
    """A copy of bin/ at `path`, and in `programs` everything that its PATH holds."""

    path: Path
    programs: Path

    @property
    def environment(self) -> Path:
        """The .venv which the commands make."""
        return self.path / ".venv"

    def variables(self, **more: str) -> dict[str, str]:
        """The environment variables of the commands: nothing of this machine's own settings, and no network for pip."""
        home = self.programs.parent
        return {"PATH": str(self.programs), "HOME": str(home), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", **more}

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command in the repository, in a process group of its own; both its outputs are one."""
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
        """The exit code of a command, and what it wrote."""
        with self.start(*command, **variables) as process:
            written, _ = process.communicate(timeout=DEADLINE_S)
        return process.returncode, written

    def set_up(self, requirements: str = "requirements.txt", **variables: str) -> tuple[int, str]:
        """Make the environment, as each command does first."""
        return self.run(PYTHON, "bin/environment.py", requirements, **variables)

    def prefix(self) -> Path:
        """Where the Python of .venv says that it lives."""
        python = self.environment / "bin" / "python"
        return Path(subprocess.check_output([python, "-c", "import sys; print(sys.prefix)"], text=True).strip())

    def put(self, name: str, program: str) -> Path:
        """Put a script on the PATH."""
        path = self.programs / name
        path.write_text(program)
        path.chmod(0o755)
        return path

    def put_python(self, name: str = "python3") -> None:
        """Put a Python that is new enough on the PATH."""
        self.put(name, f"#!/bin/sh\nexec '{PYTHON}' \"$@\"\n")

    def put_uv(self, installation: str = "exit 0") -> None:
        """Put a stand-in for uv on the PATH, whose installing is a shell command."""
        version = sysconfig.get_python_version()
        home = Path(PYTHON).parent
        self.put("uv", UV.format(installation=installation, python=PYTHON, home=home, version=version))

    def asked_of_uv(self) -> list[str]:
        """What the stand-in was asked for, in order, without the questions whether it runs."""
        written = (self.programs / "uv.log").read_text().splitlines()
        return [line for line in written if line != "--version"]


def make_checkout(parent: Path) -> Checkout:
    """A new checkout whose path has a space, on a machine with a shell and Python only."""
    checkout = Checkout(parent / "a clone", parent / "programs")
    checkout.programs.mkdir()
    shutil.copytree(ROOT / "bin", checkout.path / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.txt", "requirements-dev.txt"):
        (checkout.path / name).touch()
    (checkout.path / "manage.py").write_text(MANAGE)
    for name in ("sh", "dirname", "ln", "mkdir", "readlink", "sleep"):
        (checkout.programs / name).symlink_to(shutil.which(name) or name)
    checkout.put_python()
    return checkout
