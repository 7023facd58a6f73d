"""bin/environment.py: create, repair and update a .venv."""

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

# An installation that runs until the test creates `uv.release`.
LONG_INSTALLATION = 'echo $$ > "$0.pid"; until [ -e "$0.release" ]; do sleep 0.02; done'
INSTALLING = "Installing 0 packages into .venv (once) …\n"
WAITING = "Waiting for another command that is setting up this repository …\n"


def test_environment_is_created_if_there_is_none(
    pip_environment: tuple[Path, str], ready_checkout_with_pip: Checkout
) -> None:
    assert pip_environment[1] == INSTALLING
    assert ready_checkout_with_pip.set_up() == (0, "")
    assert ready_checkout_with_pip.prefix() == ready_checkout_with_pip.environment


def test_second_run_installs_nothing(ready_checkout: Checkout) -> None:
    ready_checkout.add_uv()
    assert ready_checkout.set_up() == (0, "")
    assert not (ready_checkout.programs / "uv.log").exists()


def test_command_gets_its_arguments_and_returns_its_exit_code(ready_checkout: Checkout) -> None:
    program = "import sys; print(sys.prefix, sys.argv[1:]); sys.exit(7)"
    arguments = ["--", "-c", program, "a b", "--", "-x"]
    code, written = ready_checkout.run(PYTHON, "bin/environment.py", "requirements.txt", *arguments)
    assert (code, written) == (7, f"{ready_checkout.environment} ['a b', '--', '-x']\n")


def delete_python(environment: Path) -> None:
    for python in (environment / "bin").glob("python*"):
        python.unlink()


def link_python_to_a_missing_file(environment: Path) -> None:
    delete_python(environment)
    (environment / "bin" / "python").symlink_to("/no/such/python3")


def delete_pyvenv_cfg(environment: Path) -> None:
    (environment / "pyvenv.cfg").unlink()


def install_old_python(environment: Path) -> None:
    python = environment / "bin" / "python"
    python.unlink()
    python.write_text("#!/bin/sh\necho 3.9.18\n")
    python.chmod(0o755)


def mark_unfinished(environment: Path) -> None:
    (environment / "unfinished").touch()


def replace_by_a_file(environment: Path) -> None:
    shutil.rmtree(environment)
    environment.touch()


def replace_by_a_broken_link(environment: Path) -> None:
    shutil.rmtree(environment)
    environment.symlink_to("/no/such/directory")


@pytest.mark.parametrize(
    "damage",
    [
        delete_python,
        link_python_to_a_missing_file,
        delete_pyvenv_cfg,
        install_old_python,
        mark_unfinished,
        replace_by_a_file,
        replace_by_a_broken_link,
    ],
)
def test_broken_environment_is_created_again(ready_checkout: Checkout, damage: Callable[[Path], None]) -> None:
    ready_checkout.add_uv()
    old_file = ready_checkout.environment / "old-file"
    old_file.touch()
    damage(ready_checkout.environment)
    assert ready_checkout.set_up() == (0, INSTALLING)
    assert ready_checkout.prefix() == ready_checkout.environment
    assert not old_file.exists()


def test_activated_environment_is_created_again(ready_checkout: Checkout) -> None:
    ready_checkout.add_uv()
    mark_unfinished(ready_checkout.environment)
    own_python = str(ready_checkout.environment / "bin" / "python")
    assert ready_checkout.run(own_python, "bin/environment.py", "requirements.txt")[0] == 0
    assert ready_checkout.prefix() == ready_checkout.environment


def test_working_environment_of_another_tool_is_kept(checkout_with_uv: Checkout) -> None:
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", checkout_with_uv.environment], check=True)
    old_file = checkout_with_uv.environment / "old-file"
    old_file.touch()
    assert checkout_with_uv.set_up()[0] == 0
    assert old_file.exists()
    assert [line.split()[0] for line in checkout_with_uv.uv_calls()] == ["pip"]


def test_changed_requirements_file_is_installed(checkout_with_uv: Checkout) -> None:
    checkout_with_uv.set_up()
    (checkout_with_uv.path / "requirements.txt").write_text("one==1 \\\n    --hash=sha256:00\ntwo==2 \\\n")
    assert checkout_with_uv.set_up() == (0, "Installing 2 packages into .venv (once) …\n")


def test_earlier_version_of_a_requirements_file_is_installed_again(checkout_with_uv: Checkout) -> None:
    locks = [checkout_with_uv.path / "requirements.txt", checkout_with_uv.path / "requirements-dev.txt"]
    for lock in locks:
        checkout_with_uv.set_up(lock.name)
        lock.write_text("# a new lock")
    checkout_with_uv.set_up("requirements.txt")
    for lock in locks:
        lock.write_text("")
    assert "Installing" in checkout_with_uv.set_up("requirements-dev.txt")[1]


def test_two_requirements_files_stay_installed_in_one_environment(checkout_with_uv: Checkout) -> None:
    locks = ["requirements.txt", "requirements-dev.txt"]
    assert ["Installing" in checkout_with_uv.set_up(lock)[1] for lock in locks * 2] == [True, True, False, False]


def test_uv_is_used_if_it_is_on_the_path(checkout_with_uv: Checkout) -> None:
    checkout_with_uv.set_up()
    python = checkout_with_uv.environment / "bin" / "python"
    lock = checkout_with_uv.path / "requirements.txt"
    creation, installation = checkout_with_uv.uv_calls()
    assert creation == f"venv --quiet --python {PYTHON} {checkout_with_uv.environment}"
    assert installation == f"pip install --quiet --python {python} --require-hashes -r {lock}"


def test_pip_is_used_if_uv_does_not_run(ready_checkout_with_pip: Checkout) -> None:
    ready_checkout_with_pip.add_program("uv", "#!/bin/sh\necho 'uv: no version is set' >&2\nexit 127\n")
    (ready_checkout_with_pip.environment / "requirements.txt.stamp").unlink()
    assert ready_checkout_with_pip.set_up() == (0, INSTALLING)


def test_pip_error_is_shown_and_the_environment_is_kept(ready_checkout_with_pip: Checkout) -> None:
    kept = ready_checkout_with_pip.environment / "kept"
    kept.touch()
    (ready_checkout_with_pip.path / "requirements.txt").write_text(f"not-to-be-had==1 --hash=sha256:{'0' * 64}\n")
    for _ in range(2):
        code, written = ready_checkout_with_pip.set_up()
        assert code == 1
        assert "Installing 1 packages" in written
        assert "No matching distribution found for not-to-be-had==1" in written
        assert "Check the network" in written.splitlines()[-1]
    assert kept.exists()


# An installation that prints 30 lines and fails.
FAILING_INSTALLATION = (
    'number=0; while [ $number -lt 30 ]; do number=$((number + 1)); echo "line $number"; done; exit 1'
)


def test_failed_installation_shows_its_last_12_lines_and_keeps_the_environment(ready_checkout: Checkout) -> None:
    kept = ready_checkout.environment / "kept"
    kept.touch()
    (ready_checkout.path / "requirements.txt").write_text("# a new lock")
    ready_checkout.add_uv(FAILING_INSTALLATION)
    code, written = ready_checkout.set_up()
    installing, *shown, advice = written.splitlines(keepends=True)
    assert (code, installing) == (1, INSTALLING)
    assert [line.strip() for line in shown] == [f"line {number}" for number in range(19, 31)]
    assert "Check the network" in advice
    ready_checkout.add_uv()
    assert ready_checkout.set_up() == (0, INSTALLING)
    assert kept.exists()


def test_packages_are_installed_again_for_another_python(ready_checkout: Checkout) -> None:
    ready_checkout.add_uv()
    python = ready_checkout.environment / "bin" / "python"
    python.unlink()
    python.write_text("#!/bin/sh\necho 3.99.0\n")
    python.chmod(0o755)
    assert ready_checkout.set_up() == (0, INSTALLING)
    assert [line.split()[0] for line in ready_checkout.uv_calls()] == ["pip"]


def test_error_of_the_operating_system_is_one_line(checkout: Checkout) -> None:
    (checkout.path / "var").touch()
    code, written = checkout.set_up()
    assert (code, written.count("\n")) == (1, 1)
    assert written.startswith("Could not set up .venv: ")
    assert "/var: File exists. Fix this problem" in written
    assert "run the command again" in written


def test_missing_requirements_file_is_refused(checkout: Checkout) -> None:
    code, written = checkout.set_up("requirement.txt")
    assert code == 2
    assert "'requirement.txt' does not exist in " in written
    assert "Available: requirements" in written


def hide_modules(directory: Path, *names: str) -> str:
    """Return a PYTHONPATH with which these modules cannot be imported, as on Debian without python3-venv."""
    for name in names:
        (directory / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}')")
    return str(directory)


def test_error_without_ensurepip_and_pip_names_the_missing_package(checkout: Checkout, tmp_path: Path) -> None:
    """After the error, a run with an installer succeeds."""
    code, written = checkout.set_up(PYTHONPATH=hide_modules(tmp_path, "ensurepip", "pip"))
    assert code == 1
    assert "No module named ensurepip" in written
    assert "apt install python3-venv" in written.splitlines()[-1]
    checkout.add_uv()
    assert checkout.set_up()[0] == 0


@pytest.mark.skipif(
    subprocess.call([PYTHON, "-c", "import pip"], stderr=subprocess.DEVNULL) != 0, reason="this Python has no pip"
)
def test_pip_of_the_machine_is_used_without_ensurepip(checkout: Checkout, tmp_path: Path) -> None:
    code, written = checkout.set_up(PYTHONPATH=hide_modules(tmp_path, "ensurepip"))
    assert (code, written) == (0, INSTALLING)


@contextmanager
def running_set_up(checkout: Checkout, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start bin/environment.py; stop it and its installer if the block fails."""
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


def test_second_set_up_waits_for_the_first(checkout: Checkout) -> None:
    checkout.add_uv(LONG_INSTALLATION)
    with running_set_up(checkout) as first:
        wait_for((checkout.programs / "uv.pid").exists, "the installation")
        with running_set_up(checkout) as second:
            assert first_line(second) == WAITING
            (checkout.programs / "uv.release").touch()
            written = [process.communicate(timeout=DEADLINE_S)[0] for process in (first, second)]
    assert (first.returncode, second.returncode, written) == (0, 0, [INSTALLING, ""])
    assert len(checkout.uv_calls()) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_signal_during_installation_stops_the_installer(checkout: Checkout, number: signal.Signals) -> None:
    checkout.add_uv(installation='echo $$ > "$0.pid"; exec sleep 60')
    recorded = checkout.programs / "uv.pid"
    with running_set_up(checkout) as process:
        wait_for(lambda: recorded.exists() and recorded.read_text().endswith("\n"), "the installation")
        process.send_signal(number)
        assert process.communicate(timeout=DEADLINE_S)[0] == INSTALLING
    assert process.returncode == 128 + number
    wait_for(lambda: not is_running(int(recorded.read_text())), "the end of the installation")


def test_signal_stops_the_children_of_the_installer(checkout: Checkout) -> None:
    checkout.add_uv(installation='sleep 60 & echo $! > "$0.pid"; wait')
    recorded = checkout.programs / "uv.pid"
    with running_set_up(checkout) as process:
        wait_for(lambda: recorded.exists() and recorded.read_text().endswith("\n"), "the installation")
        process.terminate()
        process.communicate(timeout=DEADLINE_S)
    wait_for(lambda: not is_running(int(recorded.read_text())), "the end of the child")


def test_signal_does_not_wait_for_a_daemon_of_the_installer(checkout: Checkout) -> None:
    daemon = "import os, sys, time; os.setsid(); print(os.getpid(), file=open(sys.argv[1], 'w')); time.sleep(600)"
    checkout.add_uv(installation=f'{PYTHON} -c "{daemon}" "$0.daemon" & exec sleep 600')
    recorded = checkout.programs / "uv.daemon"
    with running_set_up(checkout) as process:
        wait_for(lambda: recorded.exists() and recorded.read_text().endswith("\n"), "the daemon")
        process.terminate()
        try:
            process.communicate(timeout=DEADLINE_S)
        finally:
            os.kill(int(recorded.read_text()), signal.SIGKILL)
    assert process.returncode == 128 + signal.SIGTERM


# Popen of the installer does not return until the test creates the file START_RELEASE.
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
def test_signal_during_the_start_of_the_installer_stops_the_installer(
    checkout: Checkout, tmp_path: Path, number: signal.Signals
) -> None:
    checkout.add_uv(installation='echo $$ > "$0.pid"; exec sleep 60')
    recorded = checkout.programs / "uv.pid"
    release = tmp_path / "release"
    (tmp_path / "sitecustomize.py").write_text(SLOW_START)
    with running_set_up(checkout, PYTHONPATH=str(tmp_path), START_RELEASE=str(release)) as process:
        wait_for(lambda: recorded.exists() and recorded.read_text().endswith("\n"), "the installation")
        process.send_signal(number)
        release.touch()
        assert process.communicate(timeout=DEADLINE_S)[0] == INSTALLING
    assert process.returncode == 128 + number
    assert not is_running(int(recorded.read_text()))


def test_set_up_after_a_killed_one_creates_the_environment_again(checkout: Checkout) -> None:
    checkout.add_uv(LONG_INSTALLATION)
    incomplete_package = checkout.environment / "incomplete-package"
    with running_set_up(checkout) as process:
        wait_for((checkout.programs / "uv.pid").exists, "the installation")
        incomplete_package.touch()
        process.kill()
        # The installer of the killed process still runs and holds the lock.
        with running_set_up(checkout) as next_one:
            assert first_line(next_one) == WAITING
            (checkout.programs / "uv.release").touch()
            assert next_one.communicate(timeout=DEADLINE_S)[0] == INSTALLING
    assert next_one.returncode == 0
    assert not incomplete_package.exists()
    assert checkout.set_up() == (0, "")


def is_running(process_id: int) -> bool:
    """Return whether the process exists. An orphaned process may be a zombie for a moment."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True
