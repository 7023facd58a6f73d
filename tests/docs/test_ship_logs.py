"""docs/ship-logs.md: its values are those of the code, and the files in docs/examples work with our log lines."""

import fnmatch
import json
import logging
import re
from pathlib import Path

import pytest
import yaml

from observability.logs.formatters import JsonFormatter
from observability.logs.syslog import FLUSH_TIMEOUT_S, MAX_MESSAGE_BYTES, MAX_WAITING, SyslogAddress, SyslogHandler
from tests.observability.logs.rsyslog import SyslogServer
from tests.server import ROOT, production_environment, wait_for
from tests.serving.warm_python import WarmPython

EXAMPLES = ROOT / "docs" / "examples"
PAGE = (ROOT / "docs" / "ship-logs.md").read_text()


def forwarding_rsyslog(directory: Path, server: SyslogServer) -> SyslogServer:
    """Return the rsyslog of a machine that forwards to a server, configured with the example."""
    directory.mkdir()
    port = server.address.rpartition(":")[2]
    example = (EXAMPLES / "rsyslog.conf").read_text()
    example = example.replace("logs.example.com", "127.0.0.1").replace('port="601"', f'port="{port}"')
    return SyslogServer(directory, "unix", before_all=example)


@pytest.mark.external("rsyslog")
def test_rsyslog_forwards_the_lines_also_after_the_server_was_away(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    server = SyslogServer(tmp_path / "server", "tcp")
    machine = forwarding_rsyslog(tmp_path / "machine", server)
    handler = SyslogHandler(machine.address, ident="vitrine")
    handler.setFormatter(JsonFormatter(service_name="vitrine"))
    with machine.running():
        handler.handle(logging.makeLogRecord({"msg": "away"}))
        with server.running():
            handler.handle(logging.makeLogRecord({"msg": "there"}))
            wait_for(lambda: server.messages("away") and server.messages("there"), "both messages")
        handler.close()
    assert {each.program for each in server.messages()} == {"vitrine"}
    assert machine.messages() == []


def test_vector_reads_the_file_and_its_newest_backup() -> None:
    include = yaml.safe_load((EXAMPLES / "vector.yaml").read_text())["sources"]["vitrine"]["include"]
    names = ["service.jsonl", "service.jsonl.1", "service.jsonl.lock", "errors.jsonl", "sql.jsonl"]
    paths = [f"/srv/vitrine/var/log/{name}" for name in names]
    assert [[fnmatch.fnmatch(path, pattern) for path in paths].count(True) for pattern in include] == [1, 1]
    assert sorted(include) == paths[:2]


@pytest.mark.slow
def test_ecs_overrides_rename_the_keys_of_a_line(python: WarmPython, tmp_path: Path) -> None:
    environment = production_environment(tmp_path, LOGGING_OVERRIDES=str(EXAMPLES / "ecs.yaml"))
    assert python.run("manage.py", "migrate", "--verbosity=0", env=environment).returncode == 0
    (line,) = map(json.loads, (tmp_path / "log" / "service.jsonl").read_text().splitlines())
    assert list(line)[:8] == [
        "@timestamp", "log.level", "log.logger", "message", "http.request.id", "trace.id", "span.id", "service.name",
    ]  # fmt: skip
    assert (line["message"], line["command.name"], line["ecs.version"]) == ("command", "migrate", "8.11.0")


def test_page_names_the_limits_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"at most {MAX_MESSAGE_BYTES:,} bytes" in text
    assert f"{MAX_WAITING:,} records wait in memory" in text
    assert (FLUSH_TIMEOUT_S, "up to two seconds" in text) == (2, True)


def test_syslog_addresses_of_the_page_are_valid() -> None:
    table = PAGE.partition("| `SYSLOG_ADDRESS` | receiver")[2].partition("\n\n")[0]
    addresses = re.findall(r"^\| `(.+?)`", table, re.MULTILINE)
    assert {SyslogAddress.parse(address).scheme for address in addresses} == {"unix", "tcp", "udp"}
