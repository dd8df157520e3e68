"""Mapping: one set of arguments per item of the iterables that a `map` is given."""

import inspect
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nborch.annotations import Annotation, allow_failure, quote, unmapped
from nborch.exceptions import MappingLengthMismatch, MappingMissingIterable
from nborch.futures import Future, FutureList
from nborch.nested import fields_of_model
from nborch.parameters import bind
from nborch.states import State

__all__ = ["mapped"]

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def mapped(
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    owner: str,
) -> Iterator[Arguments]:
    """Return the arguments of each call.

    >>> def add(a, b): ...
    >>> list(mapped(inspect.signature(add), ([1, 2], 10), {}, "Task 'add'"))
    [((1, 10), {}), ((2, 10), {})]

    Raises
    ------
    MappingLengthMismatch
        The iterables are of different lengths.
    MappingMissingIterable
        No argument is iterable.
    """
    # Told before any run is made, and not by each of them.
    bind(signature, args, kwargs, owner)
    columns = [_Column(value) for value in (*args, *kwargs.values())]
    names = [f"argument {i + 1}" for i in range(len(args))] + [repr(k) for k in kwargs]
    lengths = {
        name: len(column.items)
        for name, column in zip(names, columns, strict=True)
        if column.items is not None
    }
    if not lengths:
        raise MappingMissingIterable(
            "No iterable parameters were received. Parameters for map must include at "
            f"least one iterable: {owner} was given none to map over."
        )
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in lengths.items())
        raise MappingLengthMismatch(
            "Received iterable parameters with different lengths. Parameters for map "
            f"must all be the same length: {told}. Wrap what every run is to get whole "
            "in unmapped()."
        )
    count = next(iter(lengths.values()))
    return _rows(columns, len(args), list(kwargs), count)


def _rows(
    columns: list["_Column"], positional: int, names: list[str], count: int
) -> Iterator[Arguments]:
    for row in range(count):
        values = [column.at(row) for column in columns]
        yield (
            tuple(values[:positional]),
            dict(zip(names, values[positional:], strict=True)),
        )


class _Column:
    """One argument of a map: the same for every run, or an item for each."""

    def __init__(self, value: Any) -> None:
        self.mark: type[Annotation[Any]] | None = None
        if isinstance(value, unmapped):
            self.value, self.items = value.unwrap(), None
            return
        if isinstance(value, allow_failure | quote):
            self.mark, value = type(value), value.unwrap()
        if isinstance(value, Future | State) and self.mark is not quote:
            value = _result(value)
        self.value = value
        self.items = _items(value)

    def at(self, row: int) -> Any:
        """Return what the run of this row gets."""
        value = self.value if self.items is None else self.items[row]
        return value if self.mark is None else self.mark(value)


def _result(value: Future[Any] | State) -> Any:
    return value.result()


def _is_one(value: Any) -> bool:
    """Tell whether an iterable is rather one value than many.

    Texts, mappings and files are; so are tables, which iterate over their columns'
    names, and models, which iterate over their fields.
    """
    if isinstance(value, str | bytes | bytearray | Mapping | io.IOBase):
        return True
    kind = type(value)
    return hasattr(kind, "columns") or fields_of_model(kind) is not None


def _items(value: Any) -> Any:
    """Return the items by index, or None for what is one value."""
    if isinstance(value, list | tuple | FutureList | range):
        return value
    if not isinstance(value, Iterable) or _is_one(value):
        return None
    # A generator is used up by it, and a set has no order to index by.
    return list(value)
