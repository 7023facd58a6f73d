"""Install requirements files into a virtual environment, then run a command in it.

`environment.py [--directory DIRECTORY] [--prepare] FILE … [-- ARGUMENT …]`: the arguments after `--` are passed to the
Python of the environment. It replaces this process (exec), so that it receives signals. The environment is `.venv` if
there is no `--directory`. `--prepare` runs `manage.py prepare` before the command.

The existence of the directory does not prove that it is complete: `python3 -m venv` leaves a directory if it fails, and
a killed installer leaves an incomplete package that it later treats as installed. Two kinds of files record the state:

- `unfinished` exists while an installation runs. If it exists at the start, the environment is created again.
- `FILE.stamp` is written after the installation of a requirements file. If it is missing or out of date, the file is
  installed into the existing environment.

If several processes start at the same time, one sets up the environment and the others wait. If a process is killed,
the next one repairs the environment.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "var" / "environment.lock"
OLDEST = (3, 11)
SHOWN_LINES = 12
SIGNALS = (signal.SIGINT, signal.SIGTERM)

NO_INSTALLER = (
    "This Python cannot create a virtual environment with pip. Install the missing package (on Debian and Ubuntu: "
    "apt install python3-venv), then run the command again."
)
FAILED_INSTALLATION = (
    "Could not install the packages of {name}; the reason is above. Check the network and the free disk space, then "
    "run the command again. If a hash does not match, the downloaded package is not the locked one."
)

Command = Sequence[str | Path]


class SetUpError(Exception):
    """The environment could not be set up. The message is printed for the user."""


@dataclass(frozen=True)
class Environment:
    """The directory of a virtual environment, which may be missing or broken."""

    path: Path

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def unfinished(self) -> Path:
        """The file that exists while an installation runs, and after it was killed."""
        return self.path / "unfinished"

    @property
    def base_python(self) -> str:
        """The Python outside the directory, which still works if the directory is deleted."""
        is_own = Path(sys.prefix).resolve() == self.path.resolve()
        return os.path.realpath(sys.executable) if is_own else sys.executable

    def stamp(self, requirements: Path) -> Path:
        """Return the path of the file that records the installation of a requirements file."""
        return self.path / f"{requirements.name}.stamp"


def report(text: str) -> None:
    """Print a line to stderr; stdout belongs to the command that runs later."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM after the block, which is too short for a handler to wait for."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Handle SIGINT and SIGTERM only after the block has ended.

    If a signal interrupted the start of a process, the process would keep running and its id would be unknown. The
    signals are not blocked, because the process would inherit that.
    """
    received: list[int] = []
    with signals_blocked():
        handlers = {number: signal.signal(number, lambda signum, _: received.append(signum)) for number in SIGNALS}
    try:
        yield
    finally:
        with signals_blocked():
            for number, handler in handlers.items():
                signal.signal(number, handler)
        for signum in received:
            signal.raise_signal(signum)


@contextmanager
def locked() -> Iterator[None]:
    """Hold the lock for setting up this repository; wait if another process has it.

    Child processes inherit the lock: if this process is killed, other processes wait until its installer has ended too.
    """
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("a") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Waiting for another command that is setting up this repository …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command: Command, *, is_output_shown: bool = False) -> tuple[int, str]:
    """Run a command and return its exit code and its output; the output is empty if it is shown directly.

    The command runs in its own process group. Ctrl-C and SIGTERM reach only this process, which then kills the whole
    group, so that no process keeps running in the background and no child prints a traceback.
    """
    stdout = None if is_output_shown else subprocess.PIPE
    process: subprocess.Popen[str] | None = None
    try:
        with signals_deferred():
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=None if is_output_shown else subprocess.STDOUT,
                text=True,
                errors="replace",
                close_fds=False,
                process_group=0,
            )
        output, _ = process.communicate()
    except BaseException:
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # A daemon that left the group may keep the pipe open: do not wait for the end of the output.
            if process.stdout is not None:
                process.stdout.close()
            process.wait()
        raise
    return process.returncode, output or ""


def is_command_successful(*command: str | Path) -> bool:
    """Return whether a command exists and exits with 0."""
    try:
        return run(command)[0] == 0
    except OSError:
        return False


def set_up_error(output: str, advice: str) -> SetUpError:
    """Return the error for a failed command: the last lines of its output, then what to do."""
    return SetUpError("\n".join([*output.strip().splitlines()[-SHOWN_LINES:], advice]))


def find_version(environment: Environment) -> str:
    """Return the version of the environment's Python, such as 3.11.7; empty if it does not run.

    It is also empty if `pyvenv.cfg` is missing: then the Python is that of the machine, and pip would install there.
    """
    print_version = "import sys; print(*sys.version_info[:3], sep='.'); sys.exit(sys.prefix == sys.base_prefix)"
    try:
        code, output = run([environment.python, "-I", "-c", print_version])
    except OSError:
        return ""
    return output.strip() if code == 0 else ""


def is_usable(environment: Environment, version: str) -> bool:
    """Return whether packages can be installed: Python runs and is new enough, and no installation was interrupted."""
    return bool(version) and tuple(map(int, version.split(".")[:2])) >= OLDEST and not environment.unfinished.exists()


def stamp_text(requirements: Path, version: str) -> str:
    """Return the content of a valid stamp: the hash of the requirements file and the version of Python."""
    return f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {version}"


def is_ready(environment: Environment, requirements: Path) -> bool:
    """Return whether the packages of the requirements file are installed."""
    version = find_version(environment)
    stamp = environment.stamp(requirements)
    is_installed = stamp.is_file() and stamp.read_text() == stamp_text(requirements, version)
    return is_usable(environment, version) and is_installed


def find_uv() -> str | None:
    """Return the path of uv, or None if it is not on the PATH or does not run."""
    uv = shutil.which("uv")
    return uv if uv and is_command_successful(uv, "--version") else None


def create(environment: Environment) -> None:
    """Create an empty environment; delete an existing one first. `find_installer` installs pip if it is needed."""
    path, base_python = environment.path, environment.base_python
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
    if uv := find_uv():
        code, output = run([uv, "venv", "--quiet", "--python", base_python, path])
    else:
        code, output = run([base_python, "-m", "venv", "--without-pip", path])
    if code:
        raise set_up_error(output, NO_INSTALLER)


def find_installer(environment: Environment) -> Command:
    """Return the first part of the command that installs packages: uv, pip of the environment, or pip of the machine.

    If the environment has no pip, install it with `ensurepip`, which Debian has only in the package python3-venv. Raise
    SetUpError if there is no installer.
    """
    python = environment.python
    if uv := find_uv():
        return [uv, "pip", "install", "--quiet", "--python", python]
    import_pip: Command = [python, "-I", "-c", "import pip"]
    machine_pip: Command = [environment.base_python, "-m", "pip", "--python", python]
    options = ["install", "--quiet", "--no-user", "--no-input", "--disable-pip-version-check"]
    output = "" if is_command_successful(*import_pip) else run([python, "-m", "ensurepip"])[1]
    if is_command_successful(*import_pip):
        return [python, "-I", "-m", "pip", *options]
    if is_command_successful(*machine_pip, "--version"):
        return [*machine_pip, *options]
    raise set_up_error(output, NO_INSTALLER)


@contextmanager
def marked_unfinished(environment: Environment, *, is_new: bool) -> Iterator[None]:
    """Keep the file `unfinished` in the environment while the block runs.

    The file stays if the process is killed, or if the installation into a new environment fails. If it fails in an
    environment that worked before, the file is deleted: without a network, a new environment could not be created.
    """
    environment.unfinished.touch()
    try:
        yield
    except SetUpError:
        if not is_new:
            environment.unfinished.unlink()
        raise
    environment.unfinished.unlink()


def delete_outdated_stamps(environment: Environment) -> None:
    """Delete stamps that do not match their requirements file: the next installation may change those packages."""
    version = find_version(environment)
    for stamp in environment.path.glob("*.stamp"):
        requirements = ROOT / stamp.stem
        if not requirements.is_file() or stamp.read_text() != stamp_text(requirements, version):
            stamp.unlink()


def install(environment: Environment, requirements: Path) -> None:
    """Install the packages of the requirements file and write the stamp. Raise SetUpError if that fails."""
    count = len(re.findall(r"^[\w.\[\]-]+ *==", requirements.read_text(), re.MULTILINE))
    report(f"Installing {count} packages into {os.path.relpath(environment.path, ROOT)} (once) …")
    is_new = not is_usable(environment, find_version(environment))
    if is_new:
        create(environment)
    with marked_unfinished(environment, is_new=is_new):
        delete_outdated_stamps(environment)
        code, output = run([*find_installer(environment), "--require-hashes", "-r", requirements])
        if code:
            raise set_up_error(output, FAILED_INSTALLATION.format(name=requirements.name))
    environment.stamp(requirements).write_text(stamp_text(requirements, find_version(environment)))


def set_up(environment: Environment, requirements: Path) -> None:
    """Install the requirements file if that is not done yet; wait if another process is installing."""
    if is_ready(environment, requirements):
        return
    with locked():
        if not is_ready(environment, requirements):
            install(environment, requirements)


def prepare(environment: Environment) -> None:
    """Run `manage.py prepare` and show its output; if it fails, exit with its exit code."""
    with locked():
        code, _ = run([environment.python, "manage.py", "prepare"], is_output_shown=True)
    if code:
        sys.exit(code)


def requirements_file(name: str) -> Path:
    """Return the path of a requirements file of the repository. Raise ArgumentTypeError if it does not exist."""
    path = ROOT / name
    if not path.is_file():
        available = ", ".join(sorted(each.name for each in ROOT.glob("requirements*.txt")))
        raise argparse.ArgumentTypeError(f"{name!r} does not exist in {ROOT}. Available: {available or 'none'}")
    return path


def main(arguments: list[str]) -> None:
    """Set up the environment, then run its Python with the arguments after `--`. Exit with 1 if the set-up fails."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(
        description="Install requirements files into a virtual environment, then run its Python.",
        epilog="Arguments after -- are passed to the Python of the environment.",
    )
    parser.add_argument(
        "--directory", default=".venv", help="the environment, relative to the repository (default: %(default)s)"
    )
    parser.add_argument("--prepare", action="store_true", help="run manage.py prepare before the command")
    parser.add_argument("requirements", nargs="+", metavar="FILE", type=requirements_file)
    options = parser.parse_args(arguments[:end])
    environment = Environment(ROOT / options.directory)
    try:
        for requirements in options.requirements:
            set_up(environment, requirements)
        if options.prepare:
            prepare(environment)
        if command := arguments[end + 1 :]:
            os.execv(environment.python, [str(environment.python), *command])
    except SetUpError as error:
        sys.exit(str(error))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(
            f"Could not set up {options.directory}: {place}{error.strerror or error}. Fix this problem, then run the "
            "command again. No other clean-up is necessary."
        )
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main(sys.argv[1:])
