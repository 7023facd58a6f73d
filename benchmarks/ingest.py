"""A POST of 1,000 telemetry frames compared with a bulk_create of the same rows."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.measure import compare
from benchmarks.project import temporary_project

FRAMES = 1_000
TRUCKS = 100


def main(arguments: list[str]) -> None:
    """Print a table for each form of the body: JSON and raw bytes."""
    parser = argparse.ArgumentParser(prog="bin/bench ingest", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="number of measurements (%(default)s)")
    rounds = parser.parse_args(arguments).rounds
    with temporary_project("settings.production"):
        raw_frames = realtime_frames()
        sys.stdout.write(f"{FRAMES} realtime frames of {len(raw_frames[0])} bytes from {TRUCKS} trucks\n")
        document = json.dumps({"frames": [raw.hex() for raw in raw_frames]}).encode()
        measure("POST of JSON", document, "application/json", rounds)
        measure("POST of bytes", b"".join(raw_frames), "application/octet-stream", rounds)


def measure(name: str, body: bytes, content_type: str, rounds: int) -> None:
    """Print the comparison and the number of statements of the POST."""
    # Models can be imported only after Django is set up.
    from django.db import transaction  # noqa: PLC0415

    from service.models import TelemetryFrame  # noqa: PLC0415

    post = poster(body, content_type)
    statements = count_statements(post)
    stored = list(TelemetryFrame.objects.all())
    rows: list[TelemetryFrame] = []

    def reset() -> None:
        TelemetryFrame.objects.all().delete()
        for row in stored:
            row.pk = None
        rows[:] = stored

    @transaction.atomic
    def bulk_create() -> None:
        TelemetryFrame.objects.bulk_create(rows)

    comparison = compare(post, bulk_create, rounds, before_each=reset)
    reset()
    executed = ", ".join(f"{count} {verb}" for verb, count in sorted(statements.items()))
    sys.stdout.write(
        f"\n{comparison.rows(name, 'bulk_create')}\n{name}: {statements.total()} statements ({executed})\n"
    )


def realtime_frames() -> list[bytes]:
    """Return 10 frames per truck, 10 seconds apart."""
    from service.demo_fleet import Report, encode_report, make_vin  # noqa: PLC0415

    start = datetime(2026, 1, 1, tzinfo=UTC)
    vins = [make_vin(maker="LZZ", description="5DXSB", year="S", plant="A", serial=serial) for serial in range(TRUCKS)]
    report = Report(speed_kmh=61.5, mileage_km=48_210.3, longitude=113.63, latitude=34.75)
    return [
        encode_report(report, vin=vins[index % TRUCKS], recorded_at=start + timedelta(seconds=10 * (index // TRUCKS)))
        for index in range(FRAMES)
    ]


def poster(body: bytes, content_type: str) -> Callable[[], None]:
    """Return a function that posts the body through all middleware with a token, and reads the response."""
    from django.test import Client  # noqa: PLC0415
    from rest_framework.authtoken.models import Token  # noqa: PLC0415

    from service.models import User  # noqa: PLC0415

    user, _ = User.objects.get_or_create(username="benchmark")
    token, _ = Token.objects.get_or_create(user=user)
    client = Client(headers={"Authorization": f"Token {token.key}"})

    def post() -> None:
        response = client.post("/api/v1/telemetry/frames/", body, content_type=content_type)
        answer = response.json()
        if answer.get("stored") != FRAMES:
            raise RuntimeError(f"the POST returned {response.status_code}: {answer}")

    return post


def count_statements(post: Callable[[], None]) -> Counter[str]:
    """Return the number of statements of one POST by kind, if all trucks are known; without transaction control."""
    from django.db import connection  # noqa: PLC0415

    from service.models import TelemetryFrame  # noqa: PLC0415

    statements: Counter[str] = Counter()

    def count(execute: Callable[..., Any], sql: str, *others: Any) -> Any:  # noqa: ANN401 - what a cursor returns
        verb = sql.split(maxsplit=1)[0]
        if verb in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
            statements[verb] += 1
        return execute(sql, *others)

    post()
    TelemetryFrame.objects.all().delete()
    with connection.execute_wrapper(count):
        post()
    return statements
