"""lnav reads our log lines with the format in docs/lnav."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from observability.logs.formatters import BASE_KEYS
from tests.docs import sample_logs
from tests.docs.sample_logs import make_record, run_shell, write_lines, write_sample_logs
from tests.server import ROOT, running

FORMAT: dict[str, Any] = json.loads((ROOT / "docs" / "lnav" / "vitrine.json").read_text())["vitrine_log"]
# Keys of the views of the test project.
OWN_KEYS = {"requested", "bound", "count"}

pytestmark = pytest.mark.external("lnav")


@pytest.fixture(scope="module")
def server_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `service.jsonl` of a server that answered four requests."""
    with running("gunicorn", tmp_path_factory.mktemp("server")) as server:
        for path in ("/ordinary/3/", "/slow-query/", "/failing/", "/nowhere/"):
            request_id = f"server{path.replace('/', '-')}"
            server.get(path, x_request_id=request_id)
            server.access_line(request_id)
    return server.log_dir / "service.jsonl"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def query_rows(lnav_home: Path, statement: str, files: str, directory: Path) -> list[dict[str, Any]]:
    """Return the rows that lnav prints for a SQL statement."""
    found = run_shell(f"""lnav -n -c ";{statement}" -c ':write-json-to -' {files}""", directory, lnav_home)
    rows: list[dict[str, Any]] = json.loads(found)
    return rows


def shown_lines(lnav_home: Path, records: list[logging.LogRecord], directory: Path) -> list[str]:
    """Return the lines that lnav shows for these records, without trailing spaces."""
    write_lines(directory / "service.jsonl", records)
    return [line.rstrip() for line in run_shell("lnav -n service.jsonl", directory, lnav_home).splitlines()]


def test_lnav_finds_the_level_of_each_sample(lnav_home: Path, tmp_path: Path) -> None:
    """lnav 0.11 itself does not check the samples of a JSON format."""
    (tmp_path / "service.jsonl").write_text("".join(f"{sample['line']}\n" for sample in FORMAT["sample"]))
    rows = query_rows(lnav_home, "select log_level from vitrine_log", "service.jsonl", tmp_path)
    assert [row["log_level"] for row in rows] == [sample["level"] for sample in FORMAT["sample"]]
    assert {row["log_level"] for row in rows} == {"debug", "info", "warning", "error", "critical"}


@pytest.mark.server
@pytest.mark.slow
def test_every_key_of_a_server_is_in_the_format(server_log: Path) -> None:
    keys = {key for line in lines(server_log) for key in line}
    assert keys - OWN_KEYS - {FORMAT["timestamp-field"], FORMAT["level-field"]} <= FORMAT["value"].keys()


@pytest.mark.server
@pytest.mark.slow
def test_lnav_finds_the_requests_of_a_server(lnav_home: Path, server_log: Path) -> None:
    statement = "select request_id, log_level, [http.response.status_code] as status, [db.query_count] as queries"
    rows = query_rows(
        lnav_home, f"{statement} from vitrine_log where log_body = 'request'", server_log.name, server_log.parent
    )
    keys = ("request_id", "level", "http.response.status_code", "db.query_count")
    written = [tuple(line[key] for key in keys) for line in lines(server_log) if line["event"] == "request"]
    assert [tuple(row.values()) for row in rows] == written
    assert [status for _, _, status, _ in written] == [200, 200, 500, 404]


@pytest.mark.server
@pytest.mark.slow
def test_sample_access_lines_have_the_keys_of_a_server(server_log: Path) -> None:
    first = next(line for line in lines(server_log) if line["event"] == "request")
    facts = sample_logs.request_record(0, "list-1", "/api/v1/trucks/", 8.5).__dict__["facts"]
    assert [key for key in first if key in facts] == list(facts)
    assert first.keys() - OWN_KEYS - facts.keys() == set(BASE_KEYS)


def test_rotated_and_compressed_files_are_read_in_order(lnav_home: Path, tmp_path: Path) -> None:
    write_sample_logs(tmp_path)
    rows = query_rows(lnav_home, "select log_path, log_time from vitrine_log", "-R var/log/service.jsonl", tmp_path)
    assert [Path(path).name for path in dict.fromkeys(row["log_path"] for row in rows)] == [
        "service.jsonl.2.gz", "service.jsonl.1", "service.jsonl",
    ]  # fmt: skip
    assert len(rows) == len([*sample_logs.OLDEST, *sample_logs.OLDER, *sample_logs.NEWEST])
    assert rows == sorted(rows, key=lambda row: row["log_time"])


@pytest.mark.parametrize("name", ["errors.jsonl", "sql.jsonl"])
def test_lnav_reads_the_other_log_files(lnav_home: Path, tmp_path: Path, name: str) -> None:
    write_sample_logs(tmp_path)
    rows = query_rows(lnav_home, "select request_id from vitrine_log", f"var/log/{name}", tmp_path)
    written = lines(tmp_path / "var" / "log" / name)
    assert [row["request_id"] for row in rows] == [line["request_id"] for line in written]


def test_buffered_line_is_shown_at_its_own_time(lnav_home: Path, tmp_path: Path) -> None:
    """Buffered records are written when their request fails, after newer lines."""
    events = {1.0: "requested", 3.0: "answering", 2.0: "counted"}
    records = [make_record(at, logging.INFO, event, "list-1") for at, event in events.items()]
    assert [line.split()[::2] for line in shown_lines(lnav_home, records, tmp_path)] == [
        ["08:30:01.000", "requested"], ["08:30:02.000", "counted"], ["08:30:03.000", "answering"],
    ]  # fmt: skip


def test_torn_line_is_invalid_and_other_lines_are_shown_lines(lnav_home: Path, tmp_path: Path) -> None:
    write_sample_logs(tmp_path, is_torn=True)
    rows = query_rows(lnav_home, "select log_level, log_body from vitrine_log", "var/log/service.jsonl", tmp_path)
    assert [row["log_body"] for row in rows if row["log_level"] == "invalid"] == [None]
    assert len(rows) == len(sample_logs.NEWEST)


def test_lnav_reads_a_log_that_begins_with_a_torn_line(lnav_home: Path, tmp_path: Path) -> None:
    whole = make_record(0, logging.INFO, "truck_registered", "import-1")
    (tmp_path / "service.jsonl").write_text('{"timestamp":"2026-01-05T08:30')
    write_lines(tmp_path / "service.jsonl", [whole, whole, whole])
    rows = query_rows(lnav_home, "select request_id from vitrine_log", "service.jsonl", tmp_path)
    assert [row["request_id"] for row in rows] == [None, "import-1", "import-1"]


def test_line_of_the_service_shows_only_its_own_keys(lnav_home: Path, tmp_path: Path) -> None:
    imported = make_record(4.25, logging.INFO, "truck_registered", "import-1", facts={"vin": "LGHB2V190FC200001"})
    first, *others = shown_lines(lnav_home, [imported], tmp_path)
    assert first.split() == ["08:30:04.250", "INFO", "truck_registered", "import-1"]
    assert others == ["  vin: LGHB2V190FC200001"]


def test_access_line_is_one_line(lnav_home: Path, tmp_path: Path) -> None:
    answered = sample_logs.request_record(4.25, "list-1", "/api/v1/trucks/", 41.25, facts={"user.id": "7"})
    (line,) = shown_lines(lnav_home, [answered], tmp_path)
    numbers = "request 200   41.250000   2"
    assert line == f"08:30:04.250 INFO {numbers} GET  /api/v1/trucks/ committed  list-1 7"


def test_columns_of_access_lines_are_aligned(lnav_home: Path, tmp_path: Path) -> None:
    quick = sample_logs.request_record(1, "list-1", "/api/v1/trucks/", 0.5, query_count=0)
    slow = sample_logs.request_record(2, "report-1", "/report/", 9999.125, query_count=480, method="POST", status=500)
    lines = shown_lines(lnav_home, [quick, slow], tmp_path)
    assert {(line.index("."), line.index("/")) for line in lines} == {(8, 51)}
    assert {line.index(".", 30) for line in lines} == {34}


def test_stack_trace_is_shown_in_lines_as_python_prints_it(lnav_home: Path, tmp_path: Path) -> None:
    django, _ = sample_logs.failure_records(1, "report-2", ValueError("no trucks"))
    first, *others = shown_lines(lnav_home, [django], tmp_path)
    assert re.search(r"ERRO Internal Server Error: /report/ +report-2 +Traceback \(most recent call last\):$", first)
    assert others[0].startswith('  File "')
    assert others[-1] == "ValueError: no trucks"


def test_slow_query_shows_its_code_and_its_statement(lnav_home: Path, tmp_path: Path) -> None:
    first, second = shown_lines(lnav_home, [sample_logs.query_record(1, logging.WARNING, "report-1", 152.5)], tmp_path)
    assert first.split()[2:] == ["slow_query", "152.500000", "service/reports.py", "48", "report", "report-1"]
    assert second == f"  db.query.text: {sample_logs.STATEMENT}"
