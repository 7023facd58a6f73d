"""What it takes to read a million access lines: `logs top` and `logs request` beside a loop of Python, and jq."""

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
# What jq does least, and a part of the answer: it has no percentiles.
JQ = 'select(.event == "request") | [."http.request.method", ."http.route", ."http.response.status_code", .duration_ms]'
JQ_SUMS = """reduce (inputs | select(.event == "request")) as $line ({};
  "\\($line."http.request.method") \\($line."http.route")" as $route
  | .[$route].requests += ($line.sample_rate // 1)
  | .[$route].time_ms += $line.duration_ms
  | .[$route].errors += (if $line."http.response.status_code" >= 500 then 1 else 0 end))"""


@dataclass(slots=True)
class Way:
    """A command that reads all lines, and what each run of it took."""

    name: str
    command: Sequence[str]
    wanted: str = ""
    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    answer: str = ""

    def run(self) -> None:
        """Raises `RuntimeError` where the command fails."""
        with tempfile.TemporaryFile() as output:
            started = time.perf_counter()
            process = subprocess.Popen(self.command, stdout=output, cwd=ROOT)  # noqa: S603 - our own
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds.append(time.perf_counter() - started)
            process.returncode = os.waitstatus_to_exitcode(status)
            # Kilobytes, on macOS bytes.
            self.megabytes.append(usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))
            output.seek(0)
            self.answer = output.read().decode() if not self.name.startswith("jq") else ""
        if process.returncode:
            raise RuntimeError(f"{' '.join(self.command)} ended with {process.returncode}")


def main(arguments: list[str]) -> None:
    """Print a row for each way: seconds of the whole process, memory, and how many times the time of `logs top`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks reading", description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES, help="how many access lines (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (%(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        request_id, size = write(Path(directory), options.lines)
        sys.stdout.write(f"{options.lines:,} access lines, {size / 1e6:.0f} MB\n\n")
        ways = _ways(directory, request_id)
        for way in ways:
            # What is read from the disk for the first time, and compiled, is not what is measured.
            way.run()
            way.seconds.clear()
        for _ in range(options.rounds):
            for way in ways:
                way.run()
        show(ways)
        check(ways[0].answer, ways[2].answer)


def _ways(directory: str, request_id: str) -> list[Way]:
    python = sys.executable
    reading = [python, "-m", "observability.log_analysis", "--in", directory]
    manage = [python, "manage.py", "logs", "--in", directory]
    ways = [
        Way("logs top, without settings", [*reading, "top", "--json"], "loop at least 3"),
        Way("manage.py logs top", [*manage, "top"], "at most 1.5 s, 500 MB"),
        Way("a loop of Python with orjson", [python, "-m", "benchmarks._reading_loop", directory]),
        Way("logs request, without settings", [*reading, "request", request_id]),
        Way("manage.py logs request", [*manage, "request", request_id], "at most 0.6 s"),
    ]
    if jq := shutil.which("jq"):
        files = [str(path) for path in Path(directory).iterdir()]
        ways.append(Way("jq, four values of each line", [jq, "-c", JQ, *files]))
        ways.append(Way("jq, sums by route", [jq, "-n", "-c", JQ_SUMS, *files], "at least 10"))
    return ways


def show(ways: Sequence[Way]) -> None:
    """The table; `x` is how many times the time of the first way."""
    sys.stdout.write(f"{'':<32}{'s':>7}{'MB':>7}{'x':>7}\n")
    for way in ways:
        ratio = median(other / own for own, other in zip(ways[0].seconds, way.seconds, strict=True))
        wanted = way.wanted and f"   wanted: {way.wanted}"
        sys.stdout.write(f"{way.name:<32}{median(way.seconds):>7.2f}{max(way.megabytes):>7.0f}{ratio:>7.1f}{wanted}\n")


def check(ours: str, loop: str) -> None:
    """Raises `RuntimeError` where the two answers are not the same."""
    rows = [json.loads(line) for line in ours.splitlines()]
    names = ("requests", "errors", "queries", "p50_ms", "p95_ms", "p99_ms")
    reported = {f"{row['method']} {row['route']}": [round(row[name], 6) for name in names] for row in rows}
    expected = {}
    for line in loop.splitlines():
        method, route, *numbers = line.split(" ")
        expected[f"{method} {route}"] = [round(float(number), 6) for number in numbers]
    if reported != expected:
        raise RuntimeError(f"the answers differ:\n{reported}\n{expected}")


def write(directory: Path, count: int) -> tuple[str, int]:
    """Write access lines as the service does, the newest in `service.jsonl`; an id among them, and their bytes."""
    chance = random.Random(1)  # noqa: S311 - the same lines each time
    weights = [route[2] for route in ROUTES]
    when = datetime(2026, 1, 1, tzinfo=UTC)
    size, request_id = 0, ""
    parts: list[Path] = []
    # Not held in memory: what this process takes counts for those that it starts.
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
    sampled = ',"sample_rate":10' if chance.random() < 0.1 else ""  # noqa: PLR2004 - of one in ten
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
