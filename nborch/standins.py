"""Stand-ins: the results of tasks that have not run, in a sketch of their flow."""

from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any, Self

from nborch.exceptions import VisualizationUnsupportedError

__all__ = ["StandIn"]


class StandIn:
    """A result that is not known: what is made of it is not known either.

    Attributes, items, calls and sums of it are stand-ins of the same origin. As many
    come out of a loop over it as its task's return annotation says, else one. What
    would have to be known, such as its length or truth, cannot be told.

    Parameters
    ----------
    origins
        The boxes of the sketch that it comes from.
    task
        The name of the first of them.
    size
        How many items it has, if that is known.
    """

    __slots__ = ("_nborch_origins", "_nborch_size", "_nborch_task")

    def __init__(
        self, origins: tuple[str, ...], task: str, size: int | None = None
    ) -> None:
        self._nborch_origins = origins
        self._nborch_task = task
        self._nborch_size = size

    def __getattr__(self, name: str) -> "StandIn":
        # Protocols of Python, IPython and numpy ask for what an object can do.
        if name.startswith(("__", "_repr_", "_ipython_")):
            raise AttributeError(name)
        return _derived(self)

    def __getitem__(self, _key: object) -> "StandIn":
        return _derived(self)

    def __call__(self, *args: object, **kwargs: object) -> "StandIn":
        """Return a stand-in of this and of what it is called with."""
        return _derived(self, *args, *kwargs.values())

    def __iter__(self) -> Iterator["StandIn"]:
        size = 1 if self._nborch_size is None else self._nborch_size
        return iter([_derived(self) for _ in range(size)])

    async def __aiter__(self) -> AsyncIterator["StandIn"]:
        for item in self:
            yield item

    def __await__(self) -> Generator[Any, Any, "StandIn"]:
        return _derived(self)
        yield  # It is a generator, and never waits.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __len__(self) -> int:
        if self._nborch_size is None:
            raise self._unknown("length")
        return self._nborch_size

    def __bool__(self) -> bool:
        raise self._unknown("truth")

    def __contains__(self, _item: object) -> bool:
        raise self._unknown("content")

    def __index__(self) -> int:
        raise self._unknown("number")

    __int__ = __index__

    def __float__(self) -> float:
        raise self._unknown("number")

    def _unknown(self, what: str) -> VisualizationUnsupportedError:
        return VisualizationUnsupportedError(
            f"Task {self._nborch_task!r} does not run while its flow is visualized, "
            f"so the {what} of its result is not known. "
            "Give an example of it: @task(viz_return_value=[1, 2, 3])."
        )

    # Comparing derives too, so that a branch on it asks for its truth.
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<result of {self._nborch_task!r}>"

    def __format__(self, _spec: str) -> str:
        return repr(self)


def _derived(*values: object) -> StandIn:
    """Return the stand-in for what is made of values; the first one is one."""
    found = [value for value in values if isinstance(value, StandIn)]
    origins = dict.fromkeys(o for value in found for o in value._nborch_origins)  # noqa: SLF001  # our own
    return StandIn(tuple(origins), found[0]._nborch_task)  # noqa: SLF001  # our own


def _deriving(*values: object) -> StandIn:
    return _derived(*values)


# What Python asks the type for, and not the object.
for _name in (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "matmul"),
    *("radd", "rsub", "rmul", "rtruediv", "rfloordiv", "rmod", "rdivmod", "rpow"),
    *("rmatmul", "and", "or", "xor", "lshift", "rshift", "rand", "ror", "rxor"),
    *("rlshift", "rrshift", "eq", "ne", "lt", "le", "gt", "ge"),
    *("neg", "pos", "abs", "invert", "round"),
):
    setattr(StandIn, f"__{_name}__", _deriving)
