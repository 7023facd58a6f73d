"""Log files under the load of a real server with several processes."""

from pathlib import Path

import pytest

from tests.load import logged_ids, send, small_files
from tests.server import running, wait_for

pytestmark = pytest.mark.server


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "count", "max_bytes"),
    [
        ("--workers=2 --preload", 300, 20_000),
        pytest.param("--workers=4 --preload", 2_000, 200_000),
        pytest.param("--workers=4", 2_000, 200_000),
    ],
)
def test_each_request_has_one_line_while_files_are_rotated(
    tmp_path: Path, options: str, count: int, max_bytes: int
) -> None:
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text(small_files(max_bytes))
    with running("gunicorn", tmp_path, GUNICORN_CMD_ARGS=options, LOGGING_OVERRIDES=str(overrides)) as server:
        sent = send(server.port, "/ordinary/0/", count)
        wait_for(lambda: len(logged_ids(server.log_dir)) >= len(sent), "an access line of each request")
        assert logged_ids(server.log_dir) == sent
        assert len(list(server.log_dir.glob("service.jsonl*"))) > 3
