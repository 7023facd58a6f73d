"""Print the address from HOST and PORT for runserver, if a server can listen on it.

The output is `127.0.0.1:8000`, or `[::1]:8000` for IPv6. If a variable is wrong or the port is in use, print what to do
to stderr and exit with 1. If another program takes the port in the seconds after this check, runserver reports it.
"""

import errno
import os
import socket
import sys

# The command as the user typed it.
COMMAND = " ".join(["bin/run", *sys.argv[1:]])
HIGHEST_PORT = 65535


class AddressError(Exception):
    """The address cannot be used. The message is printed for the user."""


def chosen_port() -> int:
    """Return PORT, or 8000 if it is not set. Raise AddressError if it is not a valid port."""
    written = os.environ.get("PORT") or "8000"
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= HIGHEST_PORT):
        raise AddressError(f"PORT is {written!r}. Allowed: a whole number from 1 to {HIGHEST_PORT}.")
    return int(written)


def require_free(host: str, port: int) -> None:
    """Raise OSError if a server could not listen on the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()


def free_port_after(host: str, busy: int) -> int | None:
    """Return the next free port after a busy one; None if there is none."""
    for port in range(busy + 1, HIGHEST_PORT + 1):
        try:
            require_free(host, port)
        except OSError:
            continue
        return port
    return None


def address_error(error: OSError, host: str, port: int) -> AddressError:
    """Return the error for an address on which a server cannot listen."""
    if error.errno == errno.EADDRINUSE:
        other = free_port_after(host, port) or "NUMBER"
        return AddressError(
            f"Port {port} of {host} is already in use. Stop the program that uses it, or use another port: "
            f"PORT={other} {COMMAND}"
        )
    if error.errno == errno.EACCES:
        return AddressError(
            f"You have no permission to use port {port} of {host}. Use another port: PORT=8000 {COMMAND}"
        )
    return AddressError(
        f"HOST is {host!r}, which is not an address of this machine ({error.strerror or error}). Allowed: 127.0.0.1, "
        "::1, 0.0.0.0, or another address of this machine."
    )


def main() -> int:
    """Print the address and return 0; print an error and return 1 if it cannot be used."""
    host = (os.environ.get("HOST") or "127.0.0.1").strip("[]")
    try:
        port = chosen_port()
        require_free(host, port)
    except AddressError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{address_error(error, host, port)}\n")
        return 1
    sys.stdout.write(f"[{host}]:{port}\n" if ":" in host else f"{host}:{port}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
