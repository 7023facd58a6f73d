"""Which tests the budget file is about, and whether a run includes all of them.

The file is about the tests below the roots: the paths of `query_budget_tests` in pytest's configuration, `testpaths` if
it is not set, or all of the rootdir. Only a run of all these tests can say that no test measures a route.
"""

import glob
import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

import pytest

INI = "query_budget_tests"


class Selection:
    """The roots, and whether this process left out a test below them; created when pytest starts.

    The plugin reports each collected test and the tests that are left after the selection. Under xdist the workers
    collect: the plugin reports to the controller what each of them left out.
    """

    def __init__(self, config: pytest.Config) -> None:
        """Raise `pytest.UsageError` if a path of `query_budget_tests` does not exist."""
        self.config = config
        self.roots = tuple(_find_roots(config))
        self.is_partial = False
        self._collected: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Whether each test below the roots was collected and selected."""
        return not (
            self.is_partial
            # Files without a failure of the last run are skipped before their tests are collected.
            or getattr(self.config.option, "lf", False)
            or not all(_is_below(root, self._arguments()) for root in self.roots)
            or any(map(self._is_ignored, self.roots))
        )

    def includes(self, item: pytest.Item) -> bool:
        """Whether the test is below a root."""
        return _is_below(item.path, self.roots)

    def collected(self, item: pytest.Item) -> None:
        if self.includes(item):
            self._collected.add(item.nodeid)

    def selected(self, items: Iterable[pytest.Item]) -> None:
        """Compare the selected tests with the collected ones, by whatever a test was deselected."""
        if self._collected - {item.nodeid for item in items}:
            self.is_partial = True

    def _arguments(self) -> tuple[Path, ...]:
        """The paths of the command line, or those that stand for them; a part of a file covers no root."""
        whole = [argument for argument in self.config.args if "::" not in argument]
        return tuple(self.config.invocation_params.dir / argument for argument in whole)

    def _is_ignored(self, root: Path) -> bool:
        """Whether `--ignore` or `--ignore-glob` names the root, something below it or a directory above it."""
        ignored = [Path(path).absolute() for path in self.config.getoption("ignore") or ()]
        if any(_is_below(path, (root,)) or _is_below(root, (path,)) for path in ignored):
            return True
        patterns = [os.path.abspath(pattern) for pattern in self.config.getoption("ignore_glob") or ()]  # noqa: PTH100 - a pattern is not a path
        paths = (root, *root.parents, *root.rglob("*")) if patterns else ()
        return any(fnmatch(str(path), pattern) for path in paths for pattern in patterns)


def _find_roots(config: pytest.Config) -> Iterator[Path]:
    for name in config.getini(INI):
        if not glob.has_magic(name) and not (config.rootpath / name).exists():
            raise pytest.UsageError(f"{INI} names {name!r}, which does not exist in {config.rootpath}")
    # As pytest reads `testpaths`.
    patterns = [str(config.rootpath / pattern) for pattern in config.getini(INI) or config.getini("testpaths")]
    found = [Path(path) for pattern in patterns for path in sorted(glob.iglob(pattern, recursive=True))]  # noqa: PTH207 - patterns may be absolute
    yield from found or [config.rootpath]


@lru_cache(maxsize=1024)
def _is_below(path: Path, roots: tuple[Path, ...]) -> bool:
    """Whether a path is one of the others, or below one of them."""
    return any(path.resolve().is_relative_to(root.resolve()) for root in roots)
