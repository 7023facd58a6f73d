"""/livez and /readyz of a running server."""

from pathlib import Path

import pytest

from tests.server import running

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_server_without_its_database_is_alive_and_not_ready(tmp_path: Path) -> None:
    with running("gunicorn", tmp_path, DJANGO_SETTINGS_MODULE="settings.development") as server:
        before = server.get("/readyz").status
        server.database.remove()
        assert (before, server.get("/livez").status, server.get("/readyz").status) == (200, 200, 503)
