"""A login of a server that runs in a process of its own."""

import subprocess
import sys

from tests.server import ROOT, Server

# A variable that the server has to be started with.
PASSWORD = {"DJANGO_SUPERUSER_PASSWORD": "a good password"}


def make_token(server: Server) -> str:
    """The token of a new user."""
    commands = [
        ["createsuperuser", "--noinput", "--username=driver", "--email=driver@example.com"],
        ["drf_create_token", "driver"],
    ]
    for arguments in commands:
        command = [sys.executable, "manage.py", *arguments]
        made = subprocess.run(command, cwd=ROOT, env=server.environment, check=True, capture_output=True, text=True)
    return made.stdout.split()[2]
