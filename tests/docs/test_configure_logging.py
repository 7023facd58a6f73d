"""docs/configure-logging.md: its YAML is a valid layer, and its values are those of logging.yaml and of the code."""

import re
from pathlib import Path

import pytest
import yaml

from observability.logs.buffering import MAX_TEXT
from observability.logs.config import LayeredLogging, load_logging
from observability.logs.lint import SECTIONS
from observability.logs.management.commands.loglevel import DEFAULT_DURATION, MAX_DURATION_S
from tests.server import ROOT

PAGE = (ROOT / "docs" / "configure-logging.md").read_text()
LOGGING_YAML = yaml.safe_load((ROOT / "logging.yaml").read_text())
YAML_BLOCKS: list[str] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
# Files that the commands of the page write, by name.
FILES: dict[str, str] = dict(
    re.findall(r"^\$ cat > var/([\w-]+\.yaml) <<'EOF'\n(.*?)^EOF$", PAGE, re.DOTALL | re.MULTILINE)
)
VALID_LAYERS = [*YAML_BLOCKS, FILES["more-logging.yaml"]]


def load(directory: Path, layer: str, *layers: str) -> LayeredLogging:
    """Lint a layer over `base` and others, as `LOGGING_OVERRIDES` does."""
    file = directory / "layer.yaml"
    file.write_text(layer)
    variables = {"LOG_DIR": str(directory), "SERVICE_NAME": "vitrine", "SYSLOG_ADDRESS": "unix:/dev/log"}
    return load_logging(ROOT / "logging.yaml", layers, variables, file)


@pytest.mark.parametrize("over", ["development", "production"])
@pytest.mark.parametrize("layer", VALID_LAYERS, ids=range(len(VALID_LAYERS)))
def test_yaml_of_the_page_is_a_layer_without_lint_errors(tmp_path: Path, layer: str, over: str) -> None:
    content = yaml.safe_load(layer)
    assert content.keys() <= {*SECTIONS, "root"}
    configured = load(tmp_path, layer, over)
    for section, entries in content.items():
        for name in entries:
            assert name in configured[section]


def test_page_lists_every_layer() -> None:
    table = PAGE.partition("| layer | what it does |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == LOGGING_YAML.keys() - {"base"}


def test_page_names_the_values_of_logging_yaml() -> None:
    buffered, sampled = (
        LOGGING_YAML["base"][kind][name] for kind, name in (("handlers", "buffered"), ("filters", "sampled"))
    )
    assert f"newest {buffered['capacity']} records (`capacity`)" in PAGE
    assert f"A request of `slow_ms` ({buffered['slow_ms']:,} ms) or more" in PAGE
    assert f"requests of `slow_ms` ({sampled['slow_ms']:,} ms) or more" in PAGE
    assert buffered["loggers"] == ["service", "observability.sql"]
    assert "default for the loggers `service` and `observability.sql`" in PAGE


def test_page_names_the_limits_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"cut at {MAX_TEXT:,} characters" in text
    assert (DEFAULT_DURATION, "default of `--for` is 10 minutes" in text) == ("10m", True)
    assert f"the maximum {MAX_DURATION_S // 3600} hours" in text
