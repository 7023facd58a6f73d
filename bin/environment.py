"""Makes .venv what requirements files say, then becomes the command that needs it.

`environment.py [--prepare] FILE … [-- argument …]`: the arguments after `--` are those of .venv's own Python, which
takes the place of this process, so that a signal reaches it. `--prepare` runs `manage.py prepare` before that.

A directory that is there proves nothing: `python3 -m venv` leaves one behind when it fails, and a killed installation
leaves half a package that its installer takes for whole. So a stamp is written last, and a mark lies in .venv as long
as an installation runs: with the mark .venv is made anew, without the stamp it is installed into. Processes that come
at the same time wait for each other; each of them may be killed at any moment, and the next one makes good.
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
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
UNFINISHED = ENVIRONMENT / "unfinished"
LOCK = ROOT / "var" / "environment.lock"
OLDEST = (3, 11)
# In an activated .venv this process runs the Python of the directory that it may remove: the one behind it stays.
OUTSIDE_PYTHON = (
    os.path.realpath(sys.executable) if Path(sys.prefix).resolve() == ENVIRONMENT.resolve() else sys.executable
)
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


def say(text: str) -> None:
    """A line for the person who waits; standard output belongs to the command that follows."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def alone() -> Iterator[None]:
    """One process of this repository at a time.

    What is started inside inherits the lock, so that an installer whose parent was killed keeps the others away until
    it has ended too.
    """
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("a") as lock:
        os.set_inheritable(lock.fileno(), True)  # noqa: FBT003 - it takes no keyword
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
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if shown else subprocess.STDOUT,
        text=True,
        errors="replace",
        close_fds=False,
        process_group=0,
    ) as process:
        try:
            written, _ = process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
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


def version() -> str:
    """The version of .venv's Python, such as 3.11.7; empty where .venv has none that runs.

    Without its pyvenv.cfg the Python of .venv is the machine's own, and installing would change the machine.
    """
    question = "import sys; print(*sys.version_info[:3], sep='.'); sys.exit(sys.prefix == sys.base_prefix)"
    try:
        code, written = run([PYTHON, "-I", "-c", question])
    except OSError:
        return ""
    return written.strip() if code == 0 else ""


def can_be_kept(found: str) -> bool:
    """Whether a .venv with this version is worth keeping: it runs, is new enough, and nothing in it was broken off."""
    return bool(found) and tuple(map(int, found.split(".")[:2])) >= OLDEST and not UNFINISHED.exists()


def stamp(requirements: Path) -> Path:
    """The file in .venv which says that the packages of this requirements file are installed."""
    return ENVIRONMENT / f"{requirements.name}.stamp"


def seal(requirements: Path, found: str) -> str:
    """What a valid stamp holds."""
    return f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {found}"


def is_ready(requirements: Path) -> bool:
    """Whether there is nothing to do."""
    found = version()
    written = stamp(requirements)
    return can_be_kept(found) and written.is_file() and written.read_text() == seal(requirements, found)


def uv() -> str | None:
    """uv, where it is on the PATH and runs."""
    found = shutil.which("uv")
    return found if found and succeeds(found, "--version") else None


def create() -> None:
    """An empty .venv in the place of whatever is there. It has no pip yet: `installer` sees to that."""
    if ENVIRONMENT.is_symlink() or ENVIRONMENT.is_file():
        ENVIRONMENT.unlink()
    elif ENVIRONMENT.exists():
        shutil.rmtree(ENVIRONMENT)
    if found := uv():
        code, written = run([found, "venv", "--quiet", "--python", OUTSIDE_PYTHON, ENVIRONMENT])
    else:
        code, written = run([OUTSIDE_PYTHON, "-m", "venv", "--without-pip", ENVIRONMENT])
    if code:
        raise failure(written, NO_INSTALLER)


def installer() -> Command:
    """The beginning of the command that installs into .venv: uv, the pip in it, or the machine's own pip.

    Debian ships `ensurepip`, which puts pip into an environment, in the package python3-venv alone. Raises SetUpError
    where there is no way.
    """
    if found := uv():
        return [found, "pip", "install", "--quiet", "--python", PYTHON]
    has_pip: Command = [PYTHON, "-I", "-c", "import pip"]
    machine_pip: Command = [OUTSIDE_PYTHON, "-m", "pip", "--python", PYTHON]
    options = ["install", "--quiet", "--no-user", "--no-input", "--disable-pip-version-check"]
    written = "" if succeeds(*has_pip) else run([PYTHON, "-m", "ensurepip"])[1]
    if succeeds(*has_pip):
        return [PYTHON, "-I", "-m", "pip", *options]
    if succeeds(*machine_pip, "--version"):
        return [*machine_pip, *options]
    raise failure(written, NO_INSTALLER)


@contextmanager
def marked(*, is_new: bool) -> Iterator[None]:
    """The mark, as long as an installation runs.

    It stays where the installation is killed, and where it fails in a .venv that is new; one that served before a
    failure is kept: without a network there would be no other.
    """
    UNFINISHED.touch()
    try:
        yield
    except SetUpError:
        if not is_new:
            UNFINISHED.unlink()
        raise
    UNFINISHED.unlink()


def forget_old_stamps() -> None:
    """Remove the stamps of contents that are no longer those of their files: the packages are about to change."""
    found = version()
    for written in ENVIRONMENT.glob("*.stamp"):
        requirements = ROOT / written.stem
        if not requirements.is_file() or written.read_text() != seal(requirements, found):
            written.unlink()


def install(requirements: Path) -> None:
    """Make .venv hold the packages of the requirements file, and stamp it. Raises SetUpError where that fails."""
    number = len(re.findall(r"^[\w.\[\]-]+ *==", requirements.read_text(), re.MULTILINE))
    say(f"Installing {number} packages into .venv (once) …")
    is_new = not can_be_kept(version())
    if is_new:
        create()
    with marked(is_new=is_new):
        forget_old_stamps()
        code, written = run([*installer(), "--require-hashes", "-r", requirements])
        if code:
            raise failure(written, FAILED_INSTALLATION.format(name=requirements.name))
    stamp(requirements).write_text(seal(requirements, version()))


def set_up(requirements: Path) -> None:
    """Install what is missing, after whoever is at it already."""
    if is_ready(requirements):
        return
    with alone():
        if not is_ready(requirements):
            install(requirements)


def prepare() -> None:
    """Run `manage.py prepare`, which says itself what it does; where it fails, this process ends with its exit code."""
    with alone():
        code, _ = run([PYTHON, "manage.py", "prepare"], shown=True)
    if code:
        sys.exit(code)


def main(arguments: list[str]) -> None:
    """Set up, and go on as .venv's Python with the arguments after `--`; exits with 1 where setting up failed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description="Make .venv what requirements files say.")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("requirements", nargs="+", type=lambda name: ROOT / name)
    options = parser.parse_args(arguments[:end])
    try:
        for requirements in options.requirements:
            set_up(requirements)
        if options.prepare:
            prepare()
        if command := arguments[end + 1 :]:
            os.execv(PYTHON, [str(PYTHON), *command])
    except SetUpError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error}: put that right and run the command again; nothing else has to be cleaned up.")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main(sys.argv[1:])
