"""Which random generators a cell seeds before it draws from them.

What such a cell draws is the same wherever the generators stood before it, and so it is
found again in every new kernel.
"""

import importlib
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import wraps
from typing import Any

from nborch.notebook.effects.surroundings import same_state

__all__ = ["may_seed", "watch_seeds"]

#: A kernel's cells, how many of them were searched, the last, and whether one may seed.
_searched: tuple[list[str], int, str, bool] = [], 0, "", False


def may_seed(cells: list[str]) -> bool:
    """Tell whether one of a kernel's cells may have seeded a random generator.

    >>> may_seed(["import random", "random.seed(1)"])
    True

    Each is searched once: they are the same ones before the next cell.
    """
    global _searched  # noqa: PLW0603  # one for the process, as the kernel is
    known, count, last, found = _searched
    goes_on = known is cells and len(cells) >= count > 0 and cells[count - 1] is last
    if not goes_on:
        count, found = 0, False
    found = found or any("seed" in cell for cell in cells[count:])
    _searched = cells, len(cells), cells[-1] if cells else "", found
    return found


@contextmanager
def watch_seeds(code: str) -> Iterator[set[str]]:
    """Collect the generators that the block seeds first, by the names of their parts.

    >>> with watch_seeds("random.seed(1)") as seeded:
    ...     random.seed(1)
    >>> seeded
    {'python'}

    Parameters
    ----------
    code
        The cell. Where it names numpy, that is loaded now, as the cell would do.
    """
    seeded: set[str] = set()
    with ExitStack() as stack:
        stack.enter_context(_watched("python", random, random.getstate, seeded))
        if "numpy" in code:
            with suppress(ImportError):
                importlib.import_module("numpy.random")
        loaded: Any = sys.modules.get("numpy.random")
        if hasattr(loaded, "get_state"):
            state = loaded.get_state
            stack.enter_context(_watched("numpy", loaded, state, seeded))
        yield seeded


@contextmanager
def _watched(
    name: str, owner: Any, state: Callable[[], Any], seeded: set[str]
) -> Iterator[None]:
    """Note when the generator of a module is seeded."""
    seed, begin = owner.seed, state()

    @wraps(seed)
    def seed_and_note(*args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        if not given or given[0] is None:
            seeded.discard(name)  # it starts from chance
        elif name in seeded or _same(state(), begin):
            seeded.add(name)
        return seed(*args, **kwargs)

    owner.seed = seed_and_note
    try:
        yield
    finally:
        owner.seed = seed


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) if isinstance(one[0], int) else same_state(one, other)
