"""Show the effective logging configuration: loggers, handlers, and the line that each value comes from."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from observability.logs.configuration_tree import render_probe, render_tree
from observability.logs.effective_configuration import EffectiveConfiguration, to_dict
from observability.logs.probe import Probe, send_probe


class Command(BaseCommand):
    """Run without the system checks: the command helps to fix what they report.

    `--json` prints one object: `EffectiveDocument`, and under `probe` the result of `--probe` (`Probe`) or null. The
    exit status is 1 if a handler lost a record of the probe.
    """

    help = "Print the effective logging configuration: loggers, handlers, and the file, line and layer of each value."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "loggers", nargs="*", metavar="LOGGER", help="show only these loggers and the handlers that they reach"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument(
            "--probe",
            metavar="LOGGER",
            help="send a record of each level through this logger, and show where each one arrived",
        )

    def handle(self, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        effective = EffectiveConfiguration(settings.LOGGING)
        probe = send_probe(options["probe"]) if options["probe"] is not None else None
        if options["json"]:
            document = {**to_dict(effective, options["loggers"]), "probe": probe}
            self.stdout.write(json.dumps(document, indent=2))
        elif probe is not None:
            self.stdout.write(render_probe(probe))
        else:
            self.stdout.write(render_tree(effective, options["loggers"]))
        if probe is not None:
            require_arrival(probe)


def require_arrival(probe: Probe) -> None:
    """Raise `CommandError` if a handler lost a record of the probe."""
    failed = [each["handler"] for each in probe["arrivals"] if {"lost", "failed"} & set(each["outcomes"].values())]
    if failed:
        raise CommandError(f"Records were lost by {', '.join(failed)}. Check free disk space and file permissions.")
