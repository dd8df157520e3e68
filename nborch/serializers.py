"""Serializers: how a result is written, where the usual way will not do.

::

    @task(persist_result=True, result_serializer="compressed/json")
    def fetch(day): ...

Without one, results are pickled with their large arrays beside them and mapped when
they are found: nothing here is as fast. Any object with ``dumps(value) -> bytes`` and
``loads(bytes) -> value`` is a serializer.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import Any, Protocol, runtime_checkable

from nborch.exceptions import InvalidDeclaration, did_you_mean

__all__ = [
    "CompressedJSONSerializer",
    "CompressedPickleSerializer",
    "CompressedSerializer",
    "JSONSerializer",
    "PickleSerializer",
    "Serializer",
    "checked_serializer",
    "mark_of",
]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@runtime_checkable
class Serializer(Protocol):
    """Writes values as bytes, and reads them."""

    def dumps(self, obj: Any) -> bytes:
        """Return the value as bytes."""
        ...

    def loads(self, blob: bytes) -> Any:
        """Return the value that was written."""
        ...


@dataclass(frozen=True, kw_only=True)
class PickleSerializer:
    """Write values as pickles, functions and classes of a notebook included.

    >>> PickleSerializer().loads(PickleSerializer().dumps((1, {2})))
    (1, {2})

    Parameters
    ----------
    picklelib
        A module with ``dumps`` and ``loads``.
    picklelib_version
        The version of it that must be installed, if only one will do.
    """

    type: str = "pickle"
    picklelib: str = "cloudpickle"
    picklelib_version: str | None = None

    def __post_init__(self) -> None:
        _check_module(self, "picklelib", ("dumps", "loads"))
        if self.picklelib_version is not None:
            present = getattr(
                importlib.import_module(self.picklelib), "__version__", ""
            )
            if present != self.picklelib_version:
                raise InvalidDeclaration(
                    f"PickleSerializer: {self.picklelib} {self.picklelib_version} is "
                    f"asked for and {present or 'another one'} is installed."
                )

    def dumps(self, obj: Any) -> bytes:
        """Return the value as a pickle."""
        return bytes(importlib.import_module(self.picklelib).dumps(obj))

    def loads(self, blob: bytes) -> Any:
        """Return the value of a pickle."""
        return importlib.import_module(self.picklelib).loads(blob)


@dataclass(frozen=True, kw_only=True)
class JSONSerializer:
    """Write values as JSON, if they come back as they were.

    >>> JSONSerializer().dumps({"rows": [1, 2.5, None]})
    b'{"rows": [1, 2.5, null]}'

    A tuple would come back as a list, so it is not kept.

    Parameters
    ----------
    jsonlib
        A module with ``dumps`` and ``loads``.
    object_encoder, object_decoder
        Functions, or the dotted names of some, that turn other values into JSON
        (``default`` of ``json.dumps``) and back (``object_hook`` of ``json.loads``).
        With an encoder, what comes back is your care.
    dumps_kwargs, loads_kwargs
        Further arguments for the module.
    """

    type: str = "json"
    jsonlib: str = "json"
    object_encoder: Callable[[Any], Any] | str | None = None
    object_decoder: Callable[[dict[str, Any]], Any] | str | None = None
    dumps_kwargs: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    loads_kwargs: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        _check_module(self, "jsonlib", ("dumps", "loads"))
        for option, reserved, own in (
            ("dumps_kwargs", "default", "object_encoder"),
            ("loads_kwargs", "object_hook", "object_decoder"),
        ):
            if reserved in getattr(self, option):
                raise InvalidDeclaration(
                    f"JSONSerializer: {option} must not hold {reserved!r}. "
                    f"Give it as {own}."
                )
        for option in ("object_encoder", "object_decoder"):
            _function(option, getattr(self, option))

    def dumps(self, obj: Any) -> bytes:
        """Return the value as JSON in UTF-8."""
        options = dict(self.dumps_kwargs)
        if self.object_encoder is None:
            _check_json(obj)
        else:
            options["default"] = _function("object_encoder", self.object_encoder)
        told = importlib.import_module(self.jsonlib).dumps(obj, **options)
        return told.encode() if isinstance(told, str) else bytes(told)

    def loads(self, blob: bytes) -> Any:
        """Return the value of a JSON text."""
        options = dict(self.loads_kwargs)
        if self.object_decoder is not None:
            options["object_hook"] = _function("object_decoder", self.object_decoder)
        return importlib.import_module(self.jsonlib).loads(blob.decode(), **options)


def _check_json(value: Any) -> None:
    """Raise TypeError if a value would come back from JSON as another one."""
    waiting: list[tuple[Any, str]] = [(value, "")]
    while waiting:
        item, path = waiting.pop()
        kind = type(item)
        if kind is dict:
            for key, inner in item.items():
                if type(key) is not str:
                    raise _not_json(f"key {key!r:.60}", path)
                waiting.append((inner, f"{path}[{key!r:.60}]"))
        elif kind is list:
            waiting += ((inner, f"{path}[{at}]") for at, inner in enumerate(item))
        elif kind not in {str, int, float, bool, type(None)}:
            raise _not_json(repr(kind.__qualname__), path)


def _not_json(what: str, path: str) -> TypeError:
    where = f", as at {path}" if path else ""
    return TypeError(
        f"JSON has no {what}{where}. Return a list or a dict of texts, numbers, "
        "booleans and None, give an object_encoder, or use the serializer 'pickle'."
    )


@dataclass(frozen=True, kw_only=True)
class CompressedSerializer:
    """Compress what another serializer writes.

    >>> small = CompressedSerializer(serializer="json", compressionlib="zlib")
    >>> len(small.dumps([0] * 10_000)) < 200
    True

    Parameters
    ----------
    serializer
        The other one, or its name.
    compressionlib
        A module with ``compress`` and ``decompress``, such as lzma, bz2 or zlib.
    """

    type: str = "compressed"
    serializer: Any
    compressionlib: str = "lzma"

    def __post_init__(self) -> None:
        inner = checked_serializer(type(self).__name__, self.serializer)
        object.__setattr__(self, "serializer", inner)
        _check_module(self, "compressionlib", ("compress", "decompress"))

    def dumps(self, obj: Any) -> bytes:
        """Return the value as compressed bytes."""
        module = importlib.import_module(self.compressionlib)
        return bytes(module.compress(self.serializer.dumps(obj)))

    def loads(self, blob: bytes) -> Any:
        """Return the value of compressed bytes."""
        module = importlib.import_module(self.compressionlib)
        return self.serializer.loads(module.decompress(blob))


@dataclass(frozen=True, kw_only=True)
class CompressedPickleSerializer(CompressedSerializer):
    """Write values as compressed pickles."""

    type: str = "compressed/pickle"
    serializer: Any = field(default_factory=PickleSerializer)


@dataclass(frozen=True, kw_only=True)
class CompressedJSONSerializer(CompressedSerializer):
    """Write values as compressed JSON."""

    type: str = "compressed/json"
    serializer: Any = field(default_factory=JSONSerializer)


_BY_NAME: Mapping[str, Callable[[], Serializer]] = {
    "pickle": PickleSerializer,
    "json": JSONSerializer,
    "compressed": CompressedPickleSerializer,
    "compressed/pickle": CompressedPickleSerializer,
    "compressed/json": CompressedJSONSerializer,
}


def checked_serializer(owner: str, value: object) -> Serializer | None:
    """Return the serializer that a declaration means; None if it says nothing.

    >>> checked_serializer("Task 'load'", "json") == JSONSerializer()
    True

    Parameters
    ----------
    value
        None, a name, or an object with ``dumps`` and ``loads``.

    Raises
    ------
    InvalidDeclaration
        It is no serializer, and no name of one.
    """
    if value is None:
        return None
    if isinstance(value, str):
        make = _BY_NAME.get(value)
        if make is None:
            raise InvalidDeclaration(
                f"{owner}: there is no serializer {value!r}."
                f"{did_you_mean(value, _BY_NAME)} Choose one of "
                f"{', '.join(map(repr, _BY_NAME))}, or give an object with dumps and "
                "loads."
            )
        return make()
    if isinstance(value, type):
        raise InvalidDeclaration(
            f"{owner}: {value.__name__} is a class. Give a serializer of it: "
            f"{value.__name__}()."
        )
    if not isinstance(value, Serializer):
        raise InvalidDeclaration(
            f"{owner}: a serializer must have dumps and loads, which {value!r} lacks."
        )
    return value


def mark_of(serializer: Serializer | None) -> str:
    """Return what a result is marked with, so that only its like reads it again.

    >>> mark_of(CompressedJSONSerializer())
    'compressed/json lzma json json'
    """
    if serializer is None:
        return ""
    if isinstance(serializer, ModuleType):
        return serializer.__name__
    if isinstance(serializer, CompressedSerializer):
        inner = mark_of(serializer.serializer)
        return f"{serializer.type} {serializer.compressionlib} {inner}"
    if isinstance(serializer, JSONSerializer):
        return f"{serializer.type} {serializer.jsonlib}"
    if isinstance(serializer, PickleSerializer):
        return f"{serializer.type} {serializer.picklelib}"
    kind = type(serializer)
    return f"{kind.__module__}.{kind.__qualname__}"


def _check_module(serializer: Any, option: str, needed: tuple[str, ...]) -> None:
    """Raise unless the option names a module that has these functions."""
    name = getattr(serializer, option)
    what = f"{type(serializer).__name__}: {option}={name!r}"
    try:
        module = importlib.import_module(name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InvalidDeclaration(f"{what} cannot be imported ({error}).") from None
    for function in needed:
        if not callable(getattr(module, function, None)):
            raise InvalidDeclaration(
                f"{what} has no {function}(). It needs {' and '.join(needed)}."
            )


def _function(option: str, given: Callable[[Any], Any] | str | None) -> Any:
    """Return the function that an option names or is."""
    found: Any = given
    if isinstance(given, str):
        module, _, name = given.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise InvalidDeclaration(
                f"JSONSerializer: {option}={given!r} cannot be imported ({error})."
            ) from None
    if found is not None and not callable(found):
        raise InvalidDeclaration(f"JSONSerializer: {option}={given!r} is no function.")
    return found
