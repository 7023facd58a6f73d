"""Paths of which nobody wants to read while all goes well: health checks, the tools of a developer."""

from observability.conf import configuration

ANY_END = "*"


class QuietPaths:
    """OBSERVABILITY["QUIET_PATHS"] as it was when this was made; an entry that ends with `*` is all that begins so."""

    def __init__(self) -> None:
        paths = configuration().quiet_paths
        self._whole = frozenset(path for path in paths if not path.endswith(ANY_END))
        self._beginnings = tuple(path.removesuffix(ANY_END) for path in paths if path.endswith(ANY_END))

    def __contains__(self, path: str) -> bool:
        return path in self._whole or path.startswith(self._beginnings)
