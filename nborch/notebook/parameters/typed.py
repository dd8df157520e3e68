"""Values as an annotation asks for them, by pydantic: it is loaded when one does."""

import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

from nborch.notebook.parameters.given import Typed, literal
from nborch.validation import adapted, is_exactly

__all__ = ["Fit", "schema_for"]

#: Classes whose values are typed as text, though some look like numbers.
_TEXTUAL = (str, bytes, date, time, timedelta, Decimal, PurePath, UUID)

Error = Mapping[str, Any]


class Fit:
    """What a type makes of values.

    >>> Fit(int).made("7")
    (7, [])
    """

    def __init__(self, hint: Any) -> None:
        self.hint = hint

    def made(self, value: Any) -> tuple[Any, list[Error]]:
        """Return the value as the type asks for it, and pydantic's objections."""
        from pydantic import ValidationError

        objections: list[Error] = []
        for meant in self._meanings(value):
            if is_exactly(meant, self.hint):
                return meant, []
            try:
                return adapted(self.hint)(meant), []
            except ValidationError as error:
                found: list[Error] = list(error.errors(include_url=False))
                objections = objections or found
            except Exception:  # noqa: BLE001  # a bound that no value can be held to
                return meant, []
        return value, objections

    def _meanings(self, value: Any) -> Iterator[Any]:
        """Return what a value may mean, the likeliest first: typed text has two."""
        if not isinstance(value, Typed):
            yield value
            return
        text, meant = str(value), literal(value)
        if meant is None or not _is_textual(self.hint):
            yield meant
            yield text
        elif isinstance(meant, str):
            yield meant  # its quotes, if it has some, are not meant
        else:
            yield text
            yield meant


def _is_textual(hint: Any) -> bool:
    """Tell whether the values of a type are typed as text."""
    if typing.get_origin(hint) is typing.Annotated:
        return _is_textual(typing.get_args(hint)[0])
    if typing.get_origin(hint) is typing.Literal:
        return all(isinstance(each, str) for each in typing.get_args(hint))
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        inner = [each for each in typing.get_args(hint) if each is not type(None)]
        return all(map(_is_textual, inner))
    return isinstance(hint, type) and issubclass(hint, _TEXTUAL)


def schema_for(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type; an empty one, which all fits, if it has none.

    >>> schema_for(list[int])
    {'items': {'type': 'integer'}, 'type': 'array'}
    """
    from pydantic import ConfigDict, TypeAdapter

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(
            tuple[hint,], config=ConfigDict(arbitrary_types_allowed=True)
        )
        schema = adapter.json_schema()
    except Exception:  # noqa: BLE001  # not all types and bounds can be told as JSON
        return {}
    inner: dict[str, Any] = schema["prefixItems"][0]
    return inner | ({"$defs": schema["$defs"]} if "$defs" in schema else {})
