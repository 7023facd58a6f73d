"""Makes a virtual environment what requirements files say, then becomes the command that needs it.

`environment.py [--directory DIRECTORY] [--prepare] FILE … [-- argument …]`: the arguments after `--` are those of the
environment's own Python, which takes the place of this process, so that a signal reaches it. The environment is .venv,
or the directory that is given. `--prepare` runs `manage.py prepare` before that.

A directory that is there proves nothing: `python3 -m venv` leaves one behind when it fails, and a killed installation
leaves half a package that its installer takes for whole. So a stamp is written last, and a mark lies in the directory
as long as an installation runs: with the mark it is made anew, without the stamp it is installed into. Processes that
come at the same time wait for each other; each of them may be killed at any moment, and the next one makes good.
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

NO_INSTALLER = (
    "This Python cannot make an environment with pip in it: install what is missing (on Debian and Ubuntu: "
    "apt install python3-venv), then run the command again."
)
FAILED_INSTALLATION = (
    "The packages of {name} could not be installed, for the reason above: look at the network and the free space of "
    "the disk and run the command again; a package whose hash does not match is not the one that was locked."
)

Command = Sequence[str | Path]


class SetUpError(Exception):
    """The environment could not be made; the message is for the person who started the command."""


@dataclass(frozen=True)
class Environment:
    """The directory of a virtual environment, in whatever state it is."""

    path: Path

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def unfinished(self) -> Path:
        """The mark of an installation that runs, or was killed."""
        return self.path / "unfinished"

    @property
    def outside_python(self) -> str:
        """A Python that stays when the directory is removed: an activated environment is the one of this process."""
        is_own = Path(sys.prefix).resolve() == self.path.resolve()
        return os.path.realpath(sys.executable) if is_own else sys.executable

    def stamp(self, requirements: Path) -> Path:
        """The file which says that the packages of this requirements file are installed."""
        return self.path / f"{requirements.name}.stamp"


def say(text: str) -> None:
    """A line for the person who waits; standard output belongs to the command that follows."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM only after the block has ended.

    A signal that interrupts the start of a process would leave a running child whose id nobody has.
    """
    received: list[int] = []
    handlers = {
        number: signal.signal(number, lambda signum, _: received.append(signum))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for signum in received:
            signal.raise_signal(signum)


@contextmanager
def alone() -> Iterator[None]:
    """One process of this repository at a time.

    What is started inside inherits the lock, so that an installer whose parent was killed keeps the others away until
    it has ended too.
    """
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("a") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another command that is setting up this repository …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(command: Command, *, shown: bool = False) -> tuple[int, str]:
    """The exit code of a command and what it wrote, which is nothing where it was shown at once.

    The command gets a process group of its own: Ctrl-C and SIGTERM reach this process alone, which then ends the whole
    group, so that nothing goes on in the background and no child shows a traceback.
    """
    output = None if shown else subprocess.PIPE
    process: subprocess.Popen[str] | None = None
    try:
        with signals_deferred():
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if shown else subprocess.STDOUT,
                text=True,
                errors="replace",
                close_fds=False,
                process_group=0,
            )
        written, _ = process.communicate()
    except BaseException:
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        raise
    return process.returncode, written or ""


def succeeds(*command: str | Path) -> bool:
    """Whether a command is there, runs and exits with 0."""
    try:
        return run(command)[0] == 0
    except OSError:
        return False


def failure(written: str, advice: str) -> SetUpError:
    """The error for a command that failed: its last lines, then what to do."""
    return SetUpError("\n".join([*written.strip().splitlines()[-SHOWN_LINES:], advice]))


def version(environment: Environment) -> str:
    """The version of the environment's Python, such as 3.11.7; empty where it has none that runs.

    Without its pyvenv.cfg that Python is the machine's own, and installing would change the machine.
    """
    question = "import sys; print(*sys.version_info[:3], sep='.'); sys.exit(sys.prefix == sys.base_prefix)"
    try:
        code, written = run([environment.python, "-I", "-c", question])
    except OSError:
        return ""
    return written.strip() if code == 0 else ""


def can_be_kept(environment: Environment, found: str) -> bool:
    """Whether it is worth keeping: it runs, this version of it is new enough, and nothing in it was broken off."""
    return bool(found) and tuple(map(int, found.split(".")[:2])) >= OLDEST and not environment.unfinished.exists()


def seal(requirements: Path, found: str) -> str:
    """What a valid stamp holds."""
    return f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {found}"


def is_ready(environment: Environment, requirements: Path) -> bool:
    """Whether there is nothing to do."""
    found = version(environment)
    written = environment.stamp(requirements)
    return can_be_kept(environment, found) and written.is_file() and written.read_text() == seal(requirements, found)


def uv() -> str | None:
    """uv, where it is on the PATH and runs."""
    found = shutil.which("uv")
    return found if found and succeeds(found, "--version") else None


def create(environment: Environment) -> None:
    """An empty environment in the place of whatever is there. It has no pip yet: `installer` sees to that."""
    path, outside_python = environment.path, environment.outside_python
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
    if found := uv():
        code, written = run([found, "venv", "--quiet", "--python", outside_python, path])
    else:
        code, written = run([outside_python, "-m", "venv", "--without-pip", path])
    if code:
        raise failure(written, NO_INSTALLER)


def installer(environment: Environment) -> Command:
    """The beginning of the command that installs into the environment: uv, the pip in it, or the machine's own pip.

    Debian ships `ensurepip`, which puts pip into an environment, in the package python3-venv alone. Raises SetUpError
    where there is no way.
    """
    python = environment.python
    if found := uv():
        return [found, "pip", "install", "--quiet", "--python", python]
    has_pip: Command = [python, "-I", "-c", "import pip"]
    machine_pip: Command = [environment.outside_python, "-m", "pip", "--python", python]
    options = ["install", "--quiet", "--no-user", "--no-input", "--disable-pip-version-check"]
    written = "" if succeeds(*has_pip) else run([python, "-m", "ensurepip"])[1]
    if succeeds(*has_pip):
        return [python, "-I", "-m", "pip", *options]
    if succeeds(*machine_pip, "--version"):
        return [*machine_pip, *options]
    raise failure(written, NO_INSTALLER)


@contextmanager
def marked(environment: Environment, *, is_new: bool) -> Iterator[None]:
    """The mark, as long as an installation runs.

    It stays where the installation is killed, and where it fails in an environment that is new; one that served before
    a failure is kept: without a network there would be no other.
    """
    environment.unfinished.touch()
    try:
        yield
    except SetUpError:
        if not is_new:
            environment.unfinished.unlink()
        raise
    environment.unfinished.unlink()


def forget_old_stamps(environment: Environment) -> None:
    """Remove the stamps of contents that are no longer those of their files: the packages are about to change."""
    found = version(environment)
    for written in environment.path.glob("*.stamp"):
        requirements = ROOT / written.stem
        if not requirements.is_file() or written.read_text() != seal(requirements, found):
            written.unlink()


def install(environment: Environment, requirements: Path) -> None:
    """Make it hold the packages of the requirements file, and stamp it. Raises SetUpError where that fails."""
    number = len(re.findall(r"^[\w.\[\]-]+ *==", requirements.read_text(), re.MULTILINE))
    say(f"Installing {number} packages into {os.path.relpath(environment.path, ROOT)} (once) …")
    is_new = not can_be_kept(environment, version(environment))
    if is_new:
        create(environment)
    with marked(environment, is_new=is_new):
        forget_old_stamps(environment)
        code, written = run([*installer(environment), "--require-hashes", "-r", requirements])
        if code:
            raise failure(written, FAILED_INSTALLATION.format(name=requirements.name))
    environment.stamp(requirements).write_text(seal(requirements, version(environment)))


def set_up(environment: Environment, requirements: Path) -> None:
    """Install what is missing, after whoever is at it already."""
    if is_ready(environment, requirements):
        return
    with alone():
        if not is_ready(environment, requirements):
            install(environment, requirements)


def prepare(environment: Environment) -> None:
    """Run `manage.py prepare`, which says itself what it does; where it fails, this process ends with its exit code."""
    with alone():
        code, _ = run([environment.python, "manage.py", "prepare"], shown=True)
    if code:
        sys.exit(code)


def main(arguments: list[str]) -> None:
    """Set up, and go on as its Python with the arguments after `--`; exits with 1 where setting up failed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description="Make a virtual environment what requirements files say.")
    parser.add_argument("--directory", default=".venv", help="of the environment, from the root of the repository")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("requirements", nargs="+", type=lambda name: ROOT / name)
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
        sys.exit(f"{error}: put that right and run the command again; nothing else has to be cleaned up.")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main(sys.argv[1:])
