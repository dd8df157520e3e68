"""Results of runs that are shown, for a preview of what they returned."""

from nborch.cache.base import KeptResult
from nborch.home import Home

__all__ = ["KeptResults"]


class KeptResults:
    """Looks results up where a home keeps them.

    What keeps them takes a tenth of a second to load: not before somebody asks for a
    result that was kept.
    """

    def __init__(self, home: Home) -> None:
        self._home = home

    def lookup(self, key: str) -> KeptResult | None:
        """Return what is kept under a key, None if nothing is."""
        return self._home.cache.lookup(key)
