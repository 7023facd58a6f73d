"""All queries of the service, as methods of querysets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections, models
from django.db.models import Count, Q

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from service.models import TelemetryFrame, Truck

# The maximum length of a list of values in a statement: MariaDB plans longer lists badly, and some databases refuse them.
MAX_LISTED = 1_000

# The maximum size of the frames in one INSERT: MariaDB refuses packets over 16 MiB, and escaping can double the size.
MAX_INSERT_BYTES = 4 * 1024 * 1024


class TruckQuerySet(models.QuerySet["Truck"]):
    """Queries of trucks."""

    def with_model(self) -> TruckQuerySet:
        """Return the trucks with model and manufacturer, in the same statement."""
        return self.select_related("truck_model__manufacturer")

    def status_counts(self) -> dict[str, int]:
        """Return the number of trucks per status; 0 if no truck has the status."""
        counted = self.order_by().values_list("status").annotate(Count("pk"))
        return dict.fromkeys(self.model.Status.values, 0) | dict(counted)

    def mark_offline(self, *, silent_since: datetime) -> int:
        """Set trucks to offline that have sent nothing since `silent_since`; return the number of changed trucks."""
        silent = Q(last_contact_at__lt=silent_since) | Q(last_contact_at=None, created_at__lt=silent_since)
        offline = self.model.Status.OFFLINE
        return self.filter(silent).exclude(status=offline).update(status=offline)

    def known_vins(self, vins: Sequence[str]) -> set[str]:
        """Return the VINs that belong to a truck."""
        return {
            vin
            for part in in_slices(vins, self.db)
            for vin in self.filter(vin__in=part).order_by().values_list("vin", flat=True)
        }

    def lock(self, vins: Sequence[str]) -> list[Truck]:
        """Return the trucks with these VINs, locked until the transaction ends. The order by VIN prevents deadlocks.

        SQLite locks the whole database instead, from the start of the transaction.
        """
        return [
            truck
            for part in in_slices(sorted(vins), self.db)
            for truck in self.select_for_update().filter(vin__in=part).order_by("vin")
        ]

    def register(self, vins: Sequence[str]) -> None:
        """Create trucks with these VINs and lock them. If another transaction has created one, it is not changed.

        This is an upsert that changes nothing. An INSERT that ignores conflicts would take shared locks on MariaDB: if
        two transactions wait for a third, they would then deadlock.
        """
        self._upsert([self.model(vin=vin) for vin in sorted(vins)], ["vin"])

    def save_contacts(self, trucks: Sequence[Truck]) -> None:
        """Write status and last contact of these trucks in one statement. The trucks must exist and be locked.

        This is an upsert that never inserts: `bulk_update()` costs several times as much.
        """
        self._upsert(trucks, ["status", "status_at", "last_contact_at"])

    def _upsert(self, trucks: Sequence[Truck], update_fields: list[str]) -> None:
        # MySQL and MariaDB have no syntax to name the column of the conflict.
        takes_target = connections[self.db].features.supports_update_conflicts_with_target
        self.bulk_create(
            trucks, update_conflicts=True, unique_fields=["vin"] if takes_target else None, update_fields=update_fields
        )


class TelemetryFrameQuerySet(models.QuerySet["TelemetryFrame"]):
    """Queries of telemetry frames."""

    def newest_of(self, truck: Truck) -> TelemetryFrame | None:
        """Return the newest frame of this truck by its recording time, without its raw bytes; None if there is none."""
        recorded = self.filter(truck=truck, recorded_at__isnull=False).defer("raw", "digest")
        return recorded.order_by("-recorded_at", "-pk").first()

    def stored_digests(self, digests: Sequence[str]) -> set[str]:
        """Return the digests of frames that are already stored."""
        return {
            digest
            for part in in_slices(digests, self.db)
            for digest in self.filter(digest__in=part).values_list("digest", flat=True)
        }

    def store(self, frames: Sequence[TelemetryFrame]) -> None:
        """Insert these frames, in one statement if `MAX_INSERT_BYTES` allows it."""
        largest_bytes = max(len(frame.raw) for frame in frames)
        self.bulk_create(frames, batch_size=max(MAX_INSERT_BYTES // largest_bytes, 1))


def in_slices(values: Sequence[str], alias: str) -> Iterator[Sequence[str]]:
    """Yield parts of the values. Each part is short enough for one statement of the database with this alias."""
    size = min(MAX_LISTED, connections[alias].features.max_query_params or MAX_LISTED)
    for start in range(0, len(values), size):
        yield values[start : start + size]
