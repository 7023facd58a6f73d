"""Time and memory for reading a million access log lines: `manage.py logs`, a Python loop and jq."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
LINES = 1_000_000
FILE_BYTES = 20_000_000
ROUTES = (
    ("GET", "/api/v1/books/", 50, 2, 12.0),
    ("GET", "/api/v1/books/<str:isbn>/", 25, 3, 5.0),
    ("POST", "/api/v1/library/loans/", 10, 9, 40.0),
    ("GET", "/api/v1/books/genre-counts/", 10, 1, 3.0),
    ("PATCH", "/api/v1/books/<str:isbn>/", 4, 5, 9.0),
    ("POST", "/api/v1/auth/token/", 1, 4, 80.0),
)
STATUSES = ((200, "info", 970), (404, "warning", 15), (400, "warning", 10), (500, "error", 5))
# The least work for jq, and a part of the report: jq has no percentiles.
JQ = 'select(.event == "request") | [."http.request.method", ."http.route", ."http.response.status_code", .duration_ms]'
JQ_SUMS = """reduce (inputs | select(.event == "request")) as $line ({};
  "\\($line."http.request.method") \\($line."http.route")" as $route
  | .[$route].requests += ($line.sample_rate // 1)
  | .[$route].time_ms += $line.duration_ms
  | .[$route].errors += (if $line."http.response.status_code" >= 500 then 1 else 0 end))"""


@dataclass(slots=True)
class Reading:
    """A command that reads all lines, with time, memory and output of its runs."""

    name: str
    command: Sequence[str]
    target: str = ""
    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    output: str = ""

    def run(self) -> None:
        """Run the command once and record its time. Raise `RuntimeError` if it fails."""
        with tempfile.TemporaryFile() as file:
            started = time.perf_counter()
            process = subprocess.Popen(self.command, stdout=file, cwd=ROOT)  # noqa: S603 - our own
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds.append(time.perf_counter() - started)
            process.returncode = os.waitstatus_to_exitcode(status)
            # ru_maxrss is in kilobytes, on macOS in bytes.
            self.megabytes.append(usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))
            file.seek(0)
            self.output = file.read().decode() if not self.name.startswith("jq") else ""
        if process.returncode:
            raise RuntimeError(f"{' '.join(self.command)} exited with {process.returncode}")


def main(arguments: list[str]) -> None:
    """Print a row for each command: seconds of the whole process, memory, and the ratio to `logs top`."""
    parser = argparse.ArgumentParser(prog="bin/bench reading", description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES, help="number of access log lines (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="number of measurements (%(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        request_id, size = write(Path(directory), options.lines)
        sys.stdout.write(f"{options.lines:,} access log lines, {size / 1e6:.0f} MB\n\n")
        readings = _readings(directory, request_id)
        for reading in readings:
            # One run that is not measured: it reads the files from the disk and compiles modules.
            reading.run()
            reading.seconds.clear()
        for _ in range(options.rounds):
            for reading in readings:
                reading.run()
        print_table(readings)
        check_outputs(readings[0].output, readings[2].output)


def _readings(directory: str, request_id: str) -> list[Reading]:
    python = sys.executable
    module = [python, "-m", "observability.log_analysis", "--in", directory]
    manage = [python, "manage.py", "logs", "--in", directory]
    readings = [
        Reading("logs top, without settings", [*module, "top", "--json"], "loop at least 3"),
        Reading("manage.py logs top", [*manage, "top"], "at most 1.5 s, 500 MB"),
        Reading("Python loop with orjson", [python, "-m", "benchmarks._reading_loop", directory]),
        Reading("logs request, without settings", [*module, "request", request_id]),
        Reading("manage.py logs request", [*manage, "request", request_id], "at most 0.6 s"),
    ]
    if jq := shutil.which("jq"):
        files = [str(path) for path in Path(directory).iterdir()]
        readings.append(Reading("jq, four values of each line", [jq, "-c", JQ, *files]))
        readings.append(Reading("jq, sums by route", [jq, "-n", "-c", JQ_SUMS, *files], "at least 10"))
    return readings


def print_table(readings: Sequence[Reading]) -> None:
    """Print the table; `x` is the ratio to the time of the first command."""
    sys.stdout.write(f"{'':<32}{'s':>7}{'MB':>7}{'x':>7}\n")
    for each in readings:
        ratio = median(other / first for first, other in zip(readings[0].seconds, each.seconds, strict=True))
        target = each.target and f"   target: {each.target}"
        numbers = f"{median(each.seconds):>7.2f}{max(each.megabytes):>7.0f}{ratio:>7.1f}"
        sys.stdout.write(f"{each.name:<32}{numbers}{target}\n")


def check_outputs(ours: str, loop: str) -> None:
    """Raise `RuntimeError` if the two outputs are different."""
    rows = [json.loads(line) for line in ours.splitlines()]
    names = ("requests", "errors", "queries", "p50_ms", "p95_ms", "p99_ms")
    reported = {f"{row['method']} {row['route']}": [round(row[name], 6) for name in names] for row in rows}
    expected = {}
    for line in loop.splitlines():
        method, route, *numbers = line.split(" ")
        expected[f"{method} {route}"] = [round(float(number), 6) for number in numbers]
    if reported != expected:
        raise RuntimeError(f"the outputs differ:\n{reported}\n{expected}")


def write(directory: Path, count: int) -> tuple[str, int]:
    """Write access log lines like the service, the newest to `service.jsonl`. Return one request id and the bytes."""
    chance = random.Random(1)  # noqa: S311 - the same lines in each run
    weights = [route[2] for route in ROUTES]
    when = datetime(2026, 1, 1, tzinfo=UTC)
    size, request_id = 0, ""
    parts: list[Path] = []
    # Do not keep the lines in memory: the memory of this process would count for its child processes.
    file = None
    for number in range(count):
        if file is None or file.tell() >= FILE_BYTES:
            parts.append(directory / f"part-{len(parts)}")
            file = parts[-1].open("ab")
        when += timedelta(microseconds=chance.randrange(1, 172_000))
        line = _line(chance, weights, when)
        if number == count // 2:
            request_id = json.loads(line)["request_id"]
        size += file.write(line.encode())
    if file is not None:
        file.close()
    for age, part in enumerate(reversed(parts)):
        part.rename(directory / (f"service.jsonl.{age}" if age else "service.jsonl"))
    return request_id, size


def _line(chance: random.Random, weights: Sequence[int], when: datetime) -> str:
    (method, route, _, queries, typical_ms) = chance.choices(ROUTES, weights)[0]
    status, level, _ = chance.choices(STATUSES, [weight for *_, weight in STATUSES])[0]
    digits = f"{chance.getrandbits(128):032x}"
    path = route.replace("<str:isbn>", f"97801{chance.randrange(10**12):012}")
    duration_ms = chance.lognormvariate(0, 0.7) * typical_ms
    sampled = ',"sample_rate":10' if chance.random() < 0.1 else ""  # noqa: PLR2004 - one in ten
    return (
        f'{{"timestamp":"{when:%Y-%m-%dT%H:%M:%S.%fZ}","level":"{level}","logger":"observability.access",'
        f'"event":"request","request_id":"{digits}","trace_id":"{digits[::-1]}","span_id":"{digits[:16]}",'
        f'"service.name":"vitrine","http.request.method":"{method}","http.route":"{route}","url.path":"{path}",'
        f'"http.response.status_code":{status},"duration_ms":{duration_ms:.3f},"db.query_count":{queries},'
        f'"db.duration_ms":{duration_ms * 0.4:.3f},"db.repeated_count":1,'
        f'"db.transaction":"{"committed" if level == "info" else "rolled_back"}","outgoing.count":0,'
        f'"outgoing.duration_ms":0.0,"client.address":"10.0.{chance.randrange(256)}.7",'
        f'"user_agent.original":"books-app/3.1","user.id":"{chance.randrange(5000)}",'
        f'"http.response.body.size":{chance.randrange(9000)}{sampled}}}\n'
    )
