"""Every query of the service, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections, models
from django.db.models import Count, Q

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from service.models import TelemetryFrame, Truck

# No list of values in a statement is longer: MariaDB plans longer ones badly, some databases refuse them.
MAX_LISTED = 1_000

# No INSERT carries more telemetry than this: MariaDB refuses packets over 16 MiB, and escaping can double the bytes.
MAX_INSERT_BYTES = 4 * 1024 * 1024


class TruckQuerySet(models.QuerySet["Truck"]):
    """Queries for trucks."""

    def with_model(self) -> TruckQuerySet:
        """Each truck with its model and manufacturer, in the same statement."""
        return self.select_related("truck_model__manufacturer")

    def status_counts(self) -> dict[str, int]:
        """How many trucks have each status, zero too."""
        counted = self.order_by().values_list("status").annotate(Count("pk"))
        return dict.fromkeys(self.model.Status.values, 0) | dict(counted)

    def mark_offline(self, *, silent_since: datetime) -> int:
        """Give the status offline to all from which nothing was received since; returns how many changed."""
        silent = Q(last_contact_at__lt=silent_since) | Q(last_contact_at=None, created_at__lt=silent_since)
        offline = self.model.Status.OFFLINE
        return self.filter(silent).exclude(status=offline).update(status=offline)

    def known_vins(self, vins: Sequence[str]) -> set[str]:
        """Those of the VINs that trucks have."""
        return {
            vin
            for some in in_slices(vins, self.db)
            for vin in self.filter(vin__in=some).order_by().values_list("vin", flat=True)
        }

    def lock(self, vins: Sequence[str]) -> list[Truck]:
        """The trucks with these VINs, locked until the transaction ends, always in one order so that no two deadlock.

        SQLite locks the whole database instead, from the beginning of the transaction.
        """
        return [
            truck
            for some in in_slices(sorted(vins), self.db)
            for truck in self.select_for_update().filter(vin__in=some).order_by("vin")
        ]

    def register(self, vins: Sequence[str]) -> None:
        """Make trucks of these VINs, and lock them; one that was made meanwhile stays as it is.

        An upsert that changes nothing: on MariaDB an INSERT that ignores conflicts takes shared locks, and two
        transactions that wait for a third then deadlock.
        """
        self._upsert([self.model(vin=vin) for vin in sorted(vins)], ["vin"])

    def save_contacts(self, trucks: Sequence[Truck]) -> None:
        """Write status and last contact of these trucks, which exist and are locked, in one statement.

        An upsert that never inserts: `bulk_update()` costs several times as much.
        """
        self._upsert(trucks, ["status", "status_at", "last_contact_at"])

    def _upsert(self, trucks: Sequence[Truck], update_fields: list[str]) -> None:
        # MySQL and MariaDB cannot be told which conflict is meant.
        takes_target = connections[self.db].features.supports_update_conflicts_with_target
        self.bulk_create(
            trucks, update_conflicts=True, unique_fields=["vin"] if takes_target else None, update_fields=update_fields
        )


class TelemetryFrameQuerySet(models.QuerySet["TelemetryFrame"]):
    """Queries for telemetry frames."""

    def newest_of(self, truck: Truck) -> TelemetryFrame | None:
        """The newest frame of this truck by the frame's own time, without its raw bytes."""
        recorded = self.filter(truck=truck, recorded_at__isnull=False).defer("raw", "digest")
        return recorded.order_by("-recorded_at", "-pk").first()

    def stored_digests(self, digests: Sequence[str]) -> set[str]:
        """Those of the digests whose frames are stored."""
        return {
            digest
            for some in in_slices(digests, self.db)
            for digest in self.filter(digest__in=some).values_list("digest", flat=True)
        }

    def store(self, frames: Sequence[TelemetryFrame]) -> None:
        """Insert these frames, in one statement unless they are very large."""
        largest_bytes = max(len(frame.raw) for frame in frames)
        self.bulk_create(frames, batch_size=max(MAX_INSERT_BYTES // largest_bytes, 1))


def in_slices(values: Sequence[str], alias: str) -> Iterator[Sequence[str]]:
    """The values in slices that a statement of this database can list."""
    size = min(MAX_LISTED, connections[alias].features.max_query_params or MAX_LISTED)
    for start in range(0, len(values), size):
        yield values[start : start + size]
