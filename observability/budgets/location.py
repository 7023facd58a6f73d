"""Where the budget file is."""

from pathlib import Path

from observability.budgets.budget_file import DEFAULT_NAME
from observability.conf import configuration


def budget_path(root: Path | None = None) -> Path:
    """OBSERVABILITY["BUDGET_FILE"], relative to CODE_ROOT or to `root`, or `query_budgets.json` there."""
    base = configuration().code_root or root or Path.cwd()
    return Path(base) / (configuration().budget_file or DEFAULT_NAME)
