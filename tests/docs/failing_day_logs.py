"""The log files of a day on which one route fails for half an hour; the outputs in docs/read-logs.md come from them."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

DAY = datetime(2026, 11, 26, tzinfo=UTC)
REQUESTS = 20_000
FILES = 3
FAILS_FROM, FAILS_UNTIL = DAY + timedelta(hours=14, minutes=2), DAY + timedelta(hours=14, minutes=31)
TRUCK_ROUTE = "/api/v1/trucks/<vin>/"
ROUTES = (
    ("GET", "/api/v1/trucks/", 50, 2, 12.0),
    ("GET", TRUCK_ROUTE, 25, 3, 5.0),
    ("POST", "/api/v1/telemetry/frames/", 10, 9, 40.0),
    ("GET", "/api/v1/trucks/status-counts/", 10, 1, 3.0),
    ("PATCH", TRUCK_ROUTE, 4, 5, 9.0),
    ("POST", "/api/v1/auth/token/", 1, 4, 80.0),
)
TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/vitrine/.venv/lib/python3.11/site-packages/django/core/handlers/base.py", line 197, in _get_response
    response = wrapped_callback(request, *callback_args, **callback_kwargs)
  File "/srv/vitrine/.venv/lib/python3.11/site-packages/rest_framework/serializers.py", line 203, in save
    self.instance = self.update(self.instance, validated_data)
  File "/srv/vitrine/service/api/serializers.py", line 45, in update
    instance.save(update_fields=list(validated_data))
  File "/srv/vitrine/.venv/lib/python3.11/site-packages/django/db/backends/utils.py", line 105, in _execute
    return self.cursor.execute(sql, params)
django.db.utils.OperationalError: canceling statement due to lock timeout"""
SELECT = 'SELECT "service_truck"."id", "service_truck"."vin" FROM "service_truck" WHERE "service_truck"."vin" = %s'
UPDATE = 'UPDATE "service_truck" SET "finance_type" = %s WHERE "service_truck"."id" = %s'

Line = tuple[datetime, dict[str, Any]]


def write_failing_day(directory: Path) -> None:
    """Write `service.jsonl` with its rotated files, and `errors.jsonl`."""
    chance = random.Random(26)
    lines: list[Line] = []
    when = DAY
    for _ in range(REQUESTS):
        when += timedelta(seconds=chance.uniform(0, 2 * 86_400 / REQUESTS))
        method, route, _, queries, typical_ms = chance.choices(ROUTES, [route[2] for route in ROUTES])[0]
        ids = {
            name: f"{chance.getrandbits(bits):0{bits // 4}x}"
            for name, bits in (("request_id", 128), ("trace_id", 128), ("span_id", 64))
        }
        fails = method == "PATCH" and FAILS_FROM <= when < FAILS_UNTIL
        duration_ms = 1_000 + chance.uniform(2, 30) if fails else chance.lognormvariate(0, 0.7) * typical_ms
        status = 500 if fails else 404 if chance.random() < 0.01 else 200
        access = _access(ids, method, route, status, duration_ms, queries, chance)
        if fails:
            lines += _failure(when, ids, duration_ms, access["url.path"])
        lines.append((when, access))
    _write(directory / "service.jsonl", lines, FILES)
    _write(directory / "errors.jsonl", [line for line in lines if line[1]["level"] == "error"], 1)


def _failure(when: datetime, ids: dict[str, str], duration_ms: float, path: str) -> Iterator[Line]:
    """Return the lines of a request that waits for a row that another transaction has locked."""
    began = when - timedelta(milliseconds=duration_ms)
    for offset_ms, text, took_ms in ((3.1, SELECT, 0.4), (1_004.5, UPDATE, 1_000.9)):
        query = {"duration_ms": took_ms, "db.namespace": "default", "db.query.text": text}
        is_slow = took_ms >= 100
        if is_slow:
            query |= {
                "code.file.path": "service/api/serializers.py",
                "code.line.number": 45,
                "code.function.name": "TruckSerializer.update",
            }
        base = _base("warning" if is_slow else "debug", "observability.sql", "slow_query" if is_slow else "query", ids)
        yield began + timedelta(milliseconds=offset_ms), base | query
    exception = {
        "exception.type": "django.db.utils.OperationalError",
        "exception.message": "canceling statement due to lock timeout",
        "exception.stacktrace": TRACEBACK,
    }
    event = f"Internal Server Error: {path}"
    yield when - timedelta(milliseconds=0.8), _base("error", "django.request", event, ids) | exception


def _base(level: str, logger: str, event: str, ids: dict[str, str]) -> dict[str, Any]:
    return {"level": level, "logger": logger, "event": event, **ids, "service.name": "vitrine"}


def _access(
    ids: dict[str, str],
    method: str,
    route: str,
    status: int,
    duration_ms: float,
    queries: int,
    chance: random.Random,
) -> dict[str, Any]:
    level = "error" if status >= 500 else "warning" if status >= 400 else "info"
    failed = {"error.type": "django.db.utils.OperationalError", "sentry.event_id": ids["trace_id"][::-1]}
    return _base(level, "observability.access", "request", ids) | {
        "http.request.method": method,
        "http.route": route,
        "url.path": route.replace("<vin>", f"LGHB2V19{chance.randrange(1_000):09}"),
        "http.response.status_code": status,
        "duration_ms": round(duration_ms, 3),
        "db.query_count": 2 if status >= 500 else queries,
        "db.duration_ms": round(duration_ms * (0.98 if status >= 500 else 0.4), 3),
        "db.repeated_count": 1,
        "db.transaction": "rolled_back" if status >= 500 else "committed",
        "outgoing.count": 0,
        "outgoing.duration_ms": 0.0,
        "client.address": "10.0.7.26",
        "user_agent.original": "fleet-app/3.1",
        "user.id": str(chance.randrange(40)),
        "http.response.body.size": chance.randrange(100, 9_000),
        **(failed if status >= 500 else {}),
    }


def _write(path: Path, lines: Sequence[Line], files: int) -> None:
    texts = [json.dumps({"timestamp": f"{when:%Y-%m-%dT%H:%M:%S.%fZ}"} | line) + "\n" for when, line in lines]
    size = -(-len(texts) // files)
    for number in range(files):
        age = files - 1 - number
        part = texts[number * size : (number + 1) * size]
        path.with_name(f"{path.name}.{age}" if age else path.name).write_text("".join(part))
