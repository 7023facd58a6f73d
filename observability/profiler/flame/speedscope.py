"""A flame graph as a file for https://www.speedscope.app, which also works without a network."""

from typing import Any

# https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts
SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def speedscope(samples: dict[str, Any], name: str) -> dict[str, Any]:
    """The file of a document of `observability.profiler.flame.samples`: a profile of the type `sampled`."""
    return {
        "$schema": SCHEMA,
        "name": name,
        "exporter": "observability",
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(name, place) for name, place, _ in samples["frames"]]},
        "profiles": [
            {
                "type": "sampled",
                "name": name,
                "unit": "milliseconds",
                "startValue": 0,
                "endValue": round(sum(samples["weights_ms"]), 3),
                "samples": samples["samples"],
                "weights": samples["weights_ms"],
            }
        ],
    }


def _frame(name: str, place: str) -> dict[str, Any]:
    file, _, line = place.rpartition(":")
    return {"name": name, "file": file, "line": int(line)} if file else {"name": name}
