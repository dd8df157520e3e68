"""Typed dictionaries in a form that pydantic takes on every Python."""

import operator
import sys
import types
import typing
from functools import reduce
from typing import Any

__all__ = ["with_own_dicts"]

#: From here on pydantic takes those of the standard library.
_TAKEN = (3, 12)


def with_own_dicts(hint: Any, _within: tuple[Any, ...] = ()) -> Any:
    """Return a type with the ``TypedDict`` in it as those of typing_extensions.

    >>> with_own_dicts(list[int])
    list[int]
    """
    if sys.version_info >= _TAKEN:
        return hint
    if typing.is_typeddict(hint) and type(hint).__module__ == "typing":
        # One within itself is checked only so far.
        return dict[str, Any] if hint in _within else _own(hint, (*_within, hint))
    arguments = typing.get_args(hint)
    own = tuple(with_own_dicts(argument, _within) for argument in arguments)
    if all(map(operator.is_, own, arguments)):
        return hint
    if isinstance(hint, types.UnionType):
        return reduce(operator.or_, own)
    if typing.get_origin(hint) is typing.Annotated:
        return typing.Annotated[(own[0], *hint.__metadata__)]
    origin: Any = typing.get_origin(hint)
    return origin[own]


def _own(kind: Any, within: tuple[Any, ...]) -> Any:
    """Return a typed dictionary made anew, with the same keys."""
    import typing_extensions as extended

    fields = {}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        while typing.get_origin(hint) in (typing.Required, typing.NotRequired):
            (hint,) = typing.get_args(hint)  # noqa: PLW2901  # unwrapped in place
        needed = name in kind.__required_keys__
        mark: Any = extended.Required if needed else extended.NotRequired
        fields[name] = mark[with_own_dicts(hint, within)]
    return extended.TypedDict(kind.__name__, fields)  # type: ignore[operator]  # functional form
