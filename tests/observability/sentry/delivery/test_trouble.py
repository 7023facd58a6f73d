"""Why events wait."""

from pathlib import Path

import pytest

from observability.sentry.delivery.spool import Spool
from observability.sentry.delivery.trouble import Trouble, clear_trouble, last_trouble, write_trouble


def test_trouble_is_read_by_others_until_it_is_over(spool: Spool) -> None:
    spool.make()
    trouble = Trouble("503 Service Unavailable", 60.0)
    write_trouble(spool, trouble)
    assert last_trouble(spool) == trouble
    clear_trouble(spool)
    assert last_trouble(spool) is None


def test_without_a_spool_nothing_is_written(spool: Spool) -> None:
    write_trouble(spool, Trouble("refused"))
    clear_trouble(spool)
    assert not spool.root.exists()


@pytest.mark.parametrize("content", ["", "[]", '{"reason": "x", "unknown": 1}', "\0"])
def test_file_of_something_else_is_ignored(spool: Spool, content: str) -> None:
    spool.make()
    (spool.path / "trouble.json").write_text(content)
    assert last_trouble(spool) is None


def test_link_is_not_followed(spool: Spool, tmp_path: Path) -> None:
    spool.make()
    (tmp_path / "target").write_text('{"reason": "of somebody else"}')
    (spool.path / "trouble.json").symlink_to(tmp_path / "target")
    assert last_trouble(spool) is None
