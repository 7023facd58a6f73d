"""The address that HOST and PORT name, as runserver takes it, after a look whether it can be had.

Prints `127.0.0.1:8000`, or `[::1]:8000` for IPv6. Where a variable is wrong or the port is busy it prints one sentence
that says what to do, and exits with 1. Another program can still take the port in the seconds that follow: runserver
then says so itself.
"""

import errno
import os
import socket
import sys

# What the user typed.
COMMAND = " ".join(["bin/run", *sys.argv[1:]])
HIGHEST_PORT = 65535


class AddressError(Exception):
    """The address cannot be had; the message is for the person who asked for it."""


def chosen_port() -> int:
    """PORT, or 8000. Raises AddressError where it is not a port."""
    written = os.environ.get("PORT") or "8000"
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= HIGHEST_PORT):
        raise AddressError(f"PORT is {written!r}: a number from 1 to {HIGHEST_PORT}.")
    return int(written)


def bind(host: str, port: int) -> None:
    """Take the address as a server does, and give it back. Raises OSError where it cannot be taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()


def free_port_after(host: str, busy: int) -> int | None:
    """The next port that nobody uses; None where there is none."""
    for port in range(busy + 1, HIGHEST_PORT + 1):
        try:
            bind(host, port)
        except OSError:
            continue
        return port
    return None


def refused(error: OSError, host: str, port: int) -> AddressError:
    """The sentence for an address that could not be taken."""
    if error.errno == errno.EADDRINUSE:
        other = free_port_after(host, port) or "another number"
        return AddressError(
            f"Port {port} of {host} is in use: stop what uses it, or take another: PORT={other} {COMMAND}."
        )
    if error.errno == errno.EACCES:
        return AddressError(
            f"Port {port} of {host} needs more rights than you have: take another: PORT=8000 {COMMAND}."
        )
    return AddressError(f"HOST is {host!r}: an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::1 ({error}).")


def main() -> int:
    """Print the address; 0, or 1 where it cannot be had."""
    host = (os.environ.get("HOST") or "127.0.0.1").strip("[]")
    try:
        port = chosen_port()
        bind(host, port)
    except AddressError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{refused(error, host, port)}\n")
        return 1
    sys.stdout.write(f"[{host}]:{port}\n" if ":" in host else f"{host}:{port}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
