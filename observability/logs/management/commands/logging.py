"""Tell what is logged, and where: the loggers and handlers as they are, and the line that each value comes from."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from observability.logs.effective.configuration import Effective, document
from observability.logs.effective.probe import Probe, send_probe
from observability.logs.effective.tree import probe_table, tree


class Command(BaseCommand):
    """Runs without the system checks: it serves to find what they report.

    `--json` prints one object: `effective.configuration.document`, and under `probe` what `--probe` found
    (`effective.probe.Probe`), or null. It ends with 1 where a handler lost a record of the probe.
    """

    help = "Prints the effective logging: each logger and handler, and the file, line and layer of each value."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("loggers", nargs="*", metavar="LOGGER", help="tell of these alone, and what they reach")
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument(
            "--probe",
            metavar="LOGGER",
            help="send a record of each level through this logger, and tell where each arrived",
        )

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        effective = Effective(settings.LOGGING)
        sent = send_probe(options["probe"]) if options["probe"] is not None else None
        if options["json"]:
            told = {**document(effective, options["loggers"]), "probe": sent}
            self.stdout.write(json.dumps(told, indent=2))
        elif sent is not None:
            self.stdout.write(probe_table(sent))
        else:
            self.stdout.write(tree(effective, options["loggers"]))
        if sent is not None:
            require_arrival(sent)


def require_arrival(sent: Probe) -> None:
    """Refuse to call a probe good of which a handler lost a record."""
    bad = [each["handler"] for each in sent["arrivals"] if {"lost", "failed"} & set(each["outcomes"].values())]
    if bad:
        raise CommandError(f"Records were lost by {', '.join(bad)}: is the disk full, or the file not to be written?")
