"""Marks on an argument that say how a task call takes it."""

from typing import Any, Generic, TypeVar

__all__ = [
    "Annotation",
    "NotSet",
    "allow_failure",
    "freeze",
    "opaque",
    "quote",
    "unmapped",
]

T = TypeVar("T")


class Annotation(Generic[T]):
    """A value with a mark; calls take the value off again."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def unwrap(self) -> T:
        """Return the value without its mark."""
        return self.value

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    # Slots and generics together need telling how to be pickled.
    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.value,)


class unmapped(Annotation[T]):  # noqa: N801  # as in Prefect
    """Give a whole iterable to every run of a `map`.

    ``add.map([1, 2], unmapped([10, 20]))`` calls ``add(1, [10, 20])`` and
    ``add(2, [10, 20])``.
    """

    __slots__ = ()

    def __getitem__(self, _index: object) -> T:
        """Return the same value at every place."""
        return self.value


class allow_failure(Annotation[T]):  # noqa: N801  # as in Prefect
    """Let the task run even if this upstream run failed; it gets the exception.

    ``clean_up(allow_failure(future))``
    """

    __slots__ = ()


class quote(Annotation[T]):  # noqa: N801  # as in Prefect
    """Pass a value as it is: no future within it is looked for or waited for.

    ``store(quote(big_nested_list))`` also saves the time of looking through it.
    """

    __slots__ = ()

    def unquote(self) -> T:
        """Return the value without its mark."""
        return self.value


class opaque(Annotation[T]):  # noqa: N801  # as in Prefect
    """Pass a value without looking for futures within it."""

    __slots__ = ()


class freeze(Annotation[T]):  # noqa: N801  # as in Prefect
    """Pass a parameter of a flow as it is, without validating it."""

    __slots__ = ()

    def unfreeze(self) -> T:
        """Return the value without its mark."""
        return self.value


class _NotSet:
    """Stands for an argument that was not given, where None means something."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NotSet"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "NotSet"


NotSet: Any = _NotSet()
