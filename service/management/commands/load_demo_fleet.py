"""Load the demo fleet."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from service.demo_fleet import DemoTruck, demo_trucks, frames_of
from service.demo_fleet.catalog import CATALOG
from service.demo_fleet.trucks import group_by_silence
from service.gbt32960 import decode
from service.ingest import ingest_frames
from service.management.commands.mark_offline import SILENCE
from service.models import Manufacturer, Truck, TruckModel

REAL_FRAMES = Path(__file__).parents[2] / "data" / "gbt32960_frames.json"


class Command(BaseCommand):
    """Load the missing trucks in one transaction. Existing trucks are not changed, so it is safe to run again."""

    help = "Load 500 generated trucks with recent frames, and a few real frames of GB/T 32960."

    @transaction.atomic
    def handle(self, **_: Any) -> None:
        trucks = demo_trucks()
        known = Truck.objects.known_vins([truck.vin for truck in trucks])
        missing = [truck for truck in trucks if truck.vin not in known]
        if not missing:
            self.stdout.write(f"The demo fleet is already loaded: {len(trucks)} trucks.")
            return
        now = timezone.now()
        create_trucks(missing)
        stored = sum(ingest(group, now - silence) for silence, group in group_by_silence(missing))
        real = load_real_frames()
        Truck.objects.mark_offline(silent_since=now - SILENCE)
        self.stdout.write(f"Loaded the demo fleet: {len(missing)} trucks with {stored} frames, and {real} real frames.")


def create_trucks(trucks: list[DemoTruck]) -> None:
    """Create the trucks, and the models and manufacturers that do not exist yet."""
    manufacturers = Manufacturer.objects
    manufacturers.bulk_create(
        [Manufacturer(name=name) for name in sorted({model.manufacturer for model in CATALOG})], ignore_conflicts=True
    )
    makers = {manufacturer.name: manufacturer for manufacturer in manufacturers.all()}
    TruckModel.objects.bulk_create(
        [
            TruckModel(
                manufacturer=makers[model.manufacturer],
                name=model.name,
                battery_kwh=model.battery_kwh,
                range_km=model.range_km,
            )
            for model in CATALOG
        ],
        ignore_conflicts=True,
    )
    models = {(model.manufacturer_id, model.name): model for model in TruckModel.objects.all()}
    Truck.objects.bulk_create(
        [
            Truck(
                vin=truck.vin,
                truck_model=models[makers[truck.model.manufacturer].pk, truck.model.name],
                finance_type=truck.finance_type,
            )
            for truck in trucks
        ]
    )


def ingest(trucks: list[DemoTruck], received_at: datetime) -> int:
    """Ingest the frames that these trucks sent until `received_at`; return the number of stored frames."""
    frames = [decode(raw) for truck in trucks for raw in frames_of(truck, until=received_at)]
    return ingest_frames(frames=frames, received_at=received_at).stored


def load_real_frames() -> int:
    """Ingest frames of real trucks, each as received when it was recorded; return the number of stored frames."""
    frames = [decode(bytes.fromhex(entry["hex"])) for entry in json.loads(REAL_FRAMES.read_text())]
    return sum(ingest_frames(frames=[frame], received_at=frame.recorded_at).stored for frame in frames)
