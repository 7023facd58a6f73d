"""Log files under the load of a real server with several processes."""

from pathlib import Path

import pytest

from tests.load import SMALL_FILES, logged_ids, send
from tests.server import running, wait_for


@pytest.mark.parametrize("arguments", ["--workers=4", "--workers=4 --preload"])
def test_every_request_leaves_one_line_while_files_are_moved_away(tmp_path: Path, arguments: str) -> None:
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text(SMALL_FILES)
    with running("gunicorn", tmp_path, GUNICORN_CMD_ARGS=arguments, LOGGING_OVERRIDES=str(overrides)) as server:
        sent = send(server.port, "/ordinary/0/")
        wait_for(lambda: len(logged_ids(server.log_dir)) >= len(sent), "an access line of each request")
        assert logged_ids(server.log_dir) == sent
        assert len(list(server.log_dir.glob("service.jsonl*"))) > 3
