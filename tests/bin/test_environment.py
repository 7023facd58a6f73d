"""What bin/environment.py makes of a .venv, in whatever state it finds it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bin.checkout import DEADLINE_S, PYTHON, Checkout
from tests.server import wait_for

pytestmark = pytest.mark.slow

# An installation that goes on until a test releases it.
LONG_INSTALLATION = 'echo $$ > "$0.pid"; until [ -e "$0.release" ]; do sleep 0.02; done'
INSTALLING = "Installing 0 packages into .venv (once) …\n"
WAITING = "Waiting for another command that is setting up this repository …\n"


def test_an_environment_is_made_where_there_is_none(
    made_by_pip: tuple[Path, str], ready_checkout_with_pip: Checkout
) -> None:
    assert made_by_pip[1] == INSTALLING
    assert ready_checkout_with_pip.set_up() == (0, "")
    assert ready_checkout_with_pip.prefix() == ready_checkout_with_pip.environment


def test_a_second_time_nothing_is_done(ready_checkout: Checkout) -> None:
    ready_checkout.put_uv()
    assert ready_checkout.set_up() == (0, "")
    assert not (ready_checkout.programs / "uv.log").exists()


def test_the_command_takes_over_with_its_arguments_and_exit_code(ready_checkout: Checkout) -> None:
    program = "import sys; print(sys.prefix, sys.argv[1:]); sys.exit(7)"
    arguments = ["--", "-c", program, "a b", "--", "-x"]
    code, written = ready_checkout.run(PYTHON, "bin/environment.py", "requirements.txt", *arguments)
    assert (code, written) == (7, f"{ready_checkout.environment} ['a b', '--', '-x']\n")


def without_python(environment: Path) -> None:
    for python in (environment / "bin").glob("python*"):
        python.unlink()


def with_python_that_was_removed(environment: Path) -> None:
    without_python(environment)
    (environment / "bin" / "python").symlink_to("/no/such/python3")


def without_its_configuration(environment: Path) -> None:
    (environment / "pyvenv.cfg").unlink()


def with_python_too_old(environment: Path) -> None:
    python = environment / "bin" / "python"
    python.unlink()
    python.write_text("#!/bin/sh\necho 3.9.18\n")
    python.chmod(0o755)


def broken_off(environment: Path) -> None:
    (environment / "unfinished").touch()


def a_file(environment: Path) -> None:
    shutil.rmtree(environment)
    environment.touch()


def a_link_to_nowhere(environment: Path) -> None:
    shutil.rmtree(environment)
    environment.symlink_to("/no/such/directory")


@pytest.mark.parametrize(
    "spoil",
    [
        without_python,
        with_python_that_was_removed,
        without_its_configuration,
        with_python_too_old,
        broken_off,
        a_file,
        a_link_to_nowhere,
    ],
)
def test_what_does_not_work_is_made_again(ready_checkout: Checkout, spoil: Callable[[Path], None]) -> None:
    ready_checkout.put_uv()
    left_behind = ready_checkout.environment / "left-behind"
    left_behind.touch()
    spoil(ready_checkout.environment)
    assert ready_checkout.set_up() == (0, INSTALLING)
    assert ready_checkout.prefix() == ready_checkout.environment
    assert not left_behind.exists()


def test_an_activated_environment_can_be_made_again(ready_checkout: Checkout) -> None:
    ready_checkout.put_uv()
    broken_off(ready_checkout.environment)
    own_python = str(ready_checkout.environment / "bin" / "python")
    assert ready_checkout.run(own_python, "bin/environment.py", "requirements.txt")[0] == 0
    assert ready_checkout.prefix() == ready_checkout.environment


def test_a_working_environment_of_another_tool_is_installed_into(checkout_with_uv: Checkout) -> None:
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", checkout_with_uv.environment], check=True)
    theirs = checkout_with_uv.environment / "theirs"
    theirs.touch()
    assert checkout_with_uv.set_up()[0] == 0
    assert theirs.exists()
    assert [line.split()[0] for line in checkout_with_uv.asked_of_uv()] == ["pip"]


def test_a_changed_lock_is_installed(checkout_with_uv: Checkout) -> None:
    checkout_with_uv.set_up()
    (checkout_with_uv.path / "requirements.txt").write_text("one==1 \\\n    --hash=sha256:00\ntwo==2 \\\n")
    assert checkout_with_uv.set_up() == (0, "Installing 2 packages into .venv (once) …\n")


def test_going_back_to_an_earlier_lock_installs_it_again(checkout_with_uv: Checkout) -> None:
    locks = [checkout_with_uv.path / "requirements.txt", checkout_with_uv.path / "requirements-dev.txt"]
    for lock in locks:
        checkout_with_uv.set_up(lock.name)
        lock.write_text("# a new lock")
    checkout_with_uv.set_up("requirements.txt")
    for lock in locks:
        lock.write_text("")
    assert "Installing" in checkout_with_uv.set_up("requirements-dev.txt")[1]


def test_the_two_locks_do_not_displace_each_other(checkout_with_uv: Checkout) -> None:
    locks = ["requirements.txt", "requirements-dev.txt"]
    assert ["Installing" in checkout_with_uv.set_up(lock)[1] for lock in locks * 2] == [True, True, False, False]


def test_uv_installs_where_it_is_on_the_path(checkout_with_uv: Checkout) -> None:
    checkout_with_uv.set_up()
    python = checkout_with_uv.environment / "bin" / "python"
    lock = checkout_with_uv.path / "requirements.txt"
    making, installing = checkout_with_uv.asked_of_uv()
    assert making == f"venv --quiet --python {PYTHON} {checkout_with_uv.environment}"
    assert installing == f"pip install --quiet --python {python} --require-hashes -r {lock}"


def test_pip_installs_where_uv_does_not_run(ready_checkout_with_pip: Checkout) -> None:
    ready_checkout_with_pip.put("uv", "#!/bin/sh\necho 'uv: no version is set' >&2\nexit 127\n")
    (ready_checkout_with_pip.environment / "requirements.txt.stamp").unlink()
    assert ready_checkout_with_pip.set_up() == (0, INSTALLING)


def test_a_failure_of_pip_is_shown_and_leaves_what_works(ready_checkout_with_pip: Checkout) -> None:
    kept = ready_checkout_with_pip.environment / "kept"
    kept.touch()
    (ready_checkout_with_pip.path / "requirements.txt").write_text(f"not-to-be-had==1 --hash=sha256:{'0' * 64}\n")
    for _ in range(2):
        code, written = ready_checkout_with_pip.set_up()
        assert code == 1
        assert "Installing 1 packages" in written
        assert "No matching distribution found for not-to-be-had==1" in written
        assert "look at the network" in written.splitlines()[-1]
    assert kept.exists()


# Fails after thirty lines.
FAILING_INSTALLATION = (
    'number=0; while [ $number -lt 30 ]; do number=$((number + 1)); echo "line $number"; done; exit 1'
)


def test_failed_installation_shows_its_last_lines_and_leaves_what_works(ready_checkout: Checkout) -> None:
    kept = ready_checkout.environment / "kept"
    kept.touch()
    (ready_checkout.path / "requirements.txt").write_text("# a new lock")
    ready_checkout.put_uv(FAILING_INSTALLATION)
    code, written = ready_checkout.set_up()
    installing, *shown, advice = written.splitlines(keepends=True)
    assert (code, installing) == (1, INSTALLING)
    assert [line.strip() for line in shown] == [f"line {number}" for number in range(19, 31)]
    assert "look at the network" in advice
    ready_checkout.put_uv()
    assert ready_checkout.set_up() == (0, INSTALLING)
    assert kept.exists()


def test_packages_are_installed_again_for_another_python(ready_checkout: Checkout) -> None:
    ready_checkout.put_uv()
    python = ready_checkout.environment / "bin" / "python"
    python.unlink()
    python.write_text("#!/bin/sh\necho 3.99.0\n")
    python.chmod(0o755)
    assert ready_checkout.set_up() == (0, INSTALLING)
    assert [line.split()[0] for line in ready_checkout.asked_of_uv()] == ["pip"]


def test_what_the_system_refuses_is_one_sentence(checkout: Checkout) -> None:
    (checkout.path / "var").touch()
    code, written = checkout.set_up()
    assert (code, written.count("\n")) == (1, 1)
    assert "var'" in written
    assert written.endswith(": put that right and run the command again; nothing else has to be cleaned up.\n")


def module_that_is_missing(directory: Path, *names: str) -> str:
    """A PYTHONPATH under which Python has no such modules, as on a Debian without python3-venv and python3-pip."""
    for name in names:
        (directory / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}')")
    return str(directory)


def test_without_ensurepip_and_pip_it_is_said_what_to_install(checkout: Checkout, tmp_path: Path) -> None:
    """And the second time, when something that installs is there, nothing stands in the way."""
    code, written = checkout.set_up(PYTHONPATH=module_that_is_missing(tmp_path, "ensurepip", "pip"))
    assert code == 1
    assert "No module named ensurepip" in written
    assert "apt install python3-venv" in written.splitlines()[-1]
    checkout.put_uv()
    assert checkout.set_up()[0] == 0


@pytest.mark.skipif(subprocess.call([PYTHON, "-c", "import pip"], stderr=subprocess.DEVNULL) != 0, reason="it has none")
def test_without_ensurepip_the_pip_of_the_machine_installs(checkout: Checkout, tmp_path: Path) -> None:
    code, written = checkout.set_up(PYTHONPATH=module_that_is_missing(tmp_path, "ensurepip"))
    assert (code, written) == (0, INSTALLING)


@contextmanager
def set_up_started(checkout: Checkout, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A command that sets up; a test that fails leaves neither it nor its installer behind."""
    with checkout.start(PYTHON, "bin/environment.py", "requirements.txt", **environment) as process:
        try:
            yield process
        except BaseException:
            (checkout.programs / "uv.release").touch()
            process.terminate()
            raise


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line: str = process.stdout.readline()
    return line


def test_of_two_at_the_same_time_one_waits(checkout: Checkout) -> None:
    checkout.put_uv(LONG_INSTALLATION)
    with set_up_started(checkout) as first:
        wait_for((checkout.programs / "uv.pid").exists, "the installation")
        with set_up_started(checkout) as second:
            assert first_line(second) == WAITING
            (checkout.programs / "uv.release").touch()
            written = [process.communicate(timeout=DEADLINE_S)[0] for process in (first, second)]
    assert (first.returncode, second.returncode, written) == (0, 0, [INSTALLING, ""])
    assert len(checkout.asked_of_uv()) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_ended_half_way_it_ends_what_it_started(checkout: Checkout, number: signal.Signals) -> None:
    checkout.put_uv(installation='echo $$ > "$0.pid"; exec sleep 60')
    recorded = checkout.programs / "uv.pid"
    with set_up_started(checkout) as process:
        wait_for(lambda: recorded.exists() and recorded.read_text().endswith("\n"), "the installation")
        process.send_signal(number)
        assert process.communicate(timeout=DEADLINE_S)[0] == INSTALLING
    assert process.returncode == 128 + number
    wait_for(lambda: not is_running(int(recorded.read_text())), "the end of the installation")


# Keeps Popen from returning after the installer has started, until a test releases it.
SLOW_START = """
import os, subprocess, time

start = subprocess.Popen._execute_child

def start_slowly(process, arguments, *rest):
    start(process, arguments, *rest)
    while "install" in map(str, arguments) and not os.path.exists(os.environ["START_RELEASE"]):
        time.sleep(0.02)

subprocess.Popen._execute_child = start_slowly
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_during_the_start_of_the_installer_leaves_none_behind(
    checkout: Checkout, tmp_path: Path, number: signal.Signals
) -> None:
    checkout.put_uv(installation='echo $$ > "$0.pid"; exec sleep 60')
    recorded = checkout.programs / "uv.pid"
    release = tmp_path / "release"
    (tmp_path / "sitecustomize.py").write_text(SLOW_START)
    with set_up_started(checkout, PYTHONPATH=str(tmp_path), START_RELEASE=str(release)) as process:
        wait_for(lambda: recorded.exists() and recorded.read_text().endswith("\n"), "the installation")
        process.send_signal(number)
        release.touch()
        assert process.communicate(timeout=DEADLINE_S)[0] == INSTALLING
    assert process.returncode == 128 + number
    assert not is_running(int(recorded.read_text()))


def test_killed_half_way_the_next_one_makes_good(checkout: Checkout) -> None:
    checkout.put_uv(LONG_INSTALLATION)
    half_a_package = checkout.environment / "half-a-package"
    with set_up_started(checkout) as process:
        wait_for((checkout.programs / "uv.pid").exists, "the installation")
        half_a_package.touch()
        process.kill()
        # Its installer goes on, and keeps the next one away until it ends.
        with set_up_started(checkout) as next_one:
            assert first_line(next_one) == WAITING
            (checkout.programs / "uv.release").touch()
            assert next_one.communicate(timeout=DEADLINE_S)[0] == INSTALLING
    assert next_one.returncode == 0
    assert not half_a_package.exists()
    assert checkout.set_up() == (0, "")


def is_running(process_id: int) -> bool:
    """Whether there is such a process; a child of nobody may stay as a zombie for a moment."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True
