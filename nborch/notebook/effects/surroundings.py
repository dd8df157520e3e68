"""State of the whole process that a cell may change beside its names.

The state of the random number generators is kept with a cell's result and put back on a
hit, so that what is drawn afterwards is what would have been drawn. Any other change
makes a cell one that has to be executed.
"""

import os
import random
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nborch.cache.fingerprints import fingerprint
from nborch.notebook.effects.namespace import Uncachable

__all__ = ["Surroundings", "restore_generators", "same_state"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The surroundings of a cell at one time."""

    environment: Mapping[str, str]
    folder: str
    path: list[str]
    #: All that are loaded, in their order.
    modules: tuple[str, ...]
    python: Any
    numpy: Any

    @classmethod
    def now(cls) -> "Surroundings":
        """Return the present surroundings."""
        return cls(
            environment=_environment(),
            folder=os.getcwd(),  # noqa: PTH109  # of each cell, twice
            path=list(sys.path),
            modules=tuple(sys.modules),
            python=random.getstate(),
            numpy=_numpy_state(),
        )

    def generators_after(
        self,
        later: "Surroundings",
        *,
        seeds: bool,
        seeded: Collection[str] = (),
    ) -> dict[str, Any]:
        """Return the state of each generator that was used or seeded meanwhile.

        Parameters
        ----------
        seeded
            Those that were seeded for certain, if only to where they stood.
        seeds
            Whether the cell may have seeded a generator that it also loaded. One that
            is merely loaded starts from chance, and has to do so after a hit.
        """
        changed = {}
        if later.python != self.python or "python" in seeded:
            changed["python"] = later.python
        known = self.numpy is not None or seeds
        if (known and not same_state(later.numpy, self.numpy)) or "numpy" in seeded:
            changed["numpy"] = later.numpy
        return changed

    def generators(self, names: Iterable[str]) -> dict[str, str]:
        """Return what tells the state of each of these generators."""
        states = {"python": self.python, "numpy": self.numpy}
        return {name: fingerprint(states[name]) for name in names}

    def check_against(self, later: "Surroundings", *, imports: bool) -> None:
        """Raise `Uncachable` if something changed that a hit would not change.

        Parameters
        ----------
        imports
            Whether new variables may come from libraries that were loaded.
        """
        environment = later.environment
        if environment != self.environment and imports and self._has_loaded(later):
            # Libraries add variables as they are loaded, and do so after a hit, too.
            environment = {
                name: value
                for name, value in environment.items()
                if name in self.environment
            }
        differs = {
            "os.environ": environment != self.environment,
            "the working folder": later.folder != self.folder,
            "sys.path": later.path != self.path,
        }
        for what, changed in differs.items():
            if changed:
                raise Uncachable(f"changes {what}")

    def _has_loaded(self, later: "Surroundings") -> bool:
        """Tell whether other packages are loaded later."""
        return _packages(self.modules) != _packages(later.modules)


def _packages(modules: Iterable[str]) -> set[str]:
    return {name for name in modules if "." not in name}


#: The environment as Python keeps it, and as it was made of that: it seldom changes.
_decoded: tuple[object, dict[str, str]] = None, {}


def _environment() -> Mapping[str, str]:
    """Return the variables, without those by which libraries talk to themselves."""
    global _decoded  # noqa: PLW0603  # one for the process, as the variables are
    raw, known = getattr(os.environ, "_data", None), _decoded
    if raw is not None and raw == known[0]:
        return known[1]
    # NB. Before they are told, of which a thread may change one meanwhile.
    raw = raw.copy() if isinstance(raw, dict) else None
    told = {n: v for n, v in os.environ.items() if not n.startswith("_")}
    _decoded = raw, told
    return told


def _numpy_state() -> Any:
    numpy_random = sys.modules.get("numpy.random")
    get = getattr(numpy_random, "get_state", None)
    return get() if get is not None else None


def same_state(one: Any, other: Any) -> bool:
    """Tell whether two states of numpy's generator are the same."""
    if one is None or other is None:
        return one is other
    return bool(
        one[0] == other[0] and (one[1] == other[1]).all() and one[2:] == other[2:]
    )


def restore_generators(states: dict[str, Any]) -> None:
    """Bring the generators into the state that the cell left them in."""
    if "python" in states:
        random.setstate(states["python"])
    if "numpy" in states and (numpy_random := sys.modules.get("numpy.random")):
        numpy_random.set_state(states["numpy"])
