"""Parcels: a notebook's names on their way to another process, and back.

The functions and classes of the notebook travel by value and look up their names in the
namespace that they arrive in. Large memory travels as files of the result cache, which
the other process maps.
"""

from abc import ABCMeta
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from pickle import PickleBuffer
from types import FunctionType
from typing import Any

from nborch.cache.fingerprints.bytecode import references
from nborch.cache.picklers import Sink, Unstorable, pickler_type
from nborch.cache.reducers import OUT_OF_BAND
from nborch.cache.serializers import load
from nborch.cache.views import shared_spans

__all__ = ["Home", "Parcel", "packed", "unpacked"]


class _Gathering(Sink):
    """Gathers buffers as what they are, not as views of them.

    NB. A memoryview that a PickleBuffer looks through must not become part of a cycle:
    Python crashes when it collects that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.whole: list[PickleBuffer] = []

    def write(self, data: Any) -> int:
        """Take a piece of the pickle."""
        size = super().write(data)
        self.whole += [PickleBuffer(view.obj) for view in self.buffers]
        self.buffers.clear()
        return size

    def add_buffer(self, buffer: PickleBuffer) -> bool:
        """Take a buffer if it is large."""
        if buffer.raw().nbytes < OUT_OF_BAND:
            return True
        self.whole.append(buffer)
        return False


class Parcel:
    """Values as one pickle and the memory beside it, to be kept as one result."""

    def __init__(self, body: bytes, *buffers: Any) -> None:
        self.body = body
        self.buffers = buffers

    def __reduce_ex__(self, _protocol: Any) -> Any:
        return Parcel, (self.body, *self.buffers)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a notebook's functions and classes belong.

    Parameters
    ----------
    scope
        The very namespace in which its functions look up names.
    names
        What its names are at the time that counts.
    known
        Functions and classes that are there already at the other end, by name.
    """

    scope: dict[str, Any]
    names: Mapping[str, Any]
    known: Mapping[str, Any] | None = None


def packed(values: Mapping[str, Any], home: Home) -> Parcel:
    """Return the values as a parcel.

    Functions bring along what they look up, unless there are names that the other end
    knows: then it is where they came from.

    Raises
    ------
    Unstorable
        A value lives in this process only.
    """
    try:
        pickler, sink = _pass(values, home, {})
        # NB. pandas keeps its own book of which columns share memory.
        if len(pickler.arrays) > 1 and not pickler.holds_pandas:
            spans = shared_spans(pickler.arrays)
            if spans:
                pickler, sink = _pass(values, home, spans)
    except Unstorable:
        raise
    except RecursionError:
        raise Unstorable("it is nested too deeply to travel") from None
    except Exception as problem:
        told = f"{type(problem).__name__}: {problem}"
        raise Unstorable(f"it cannot be pickled ({told})") from problem
    return Parcel(b"".join(sink.chunks), *sink.whole)


def _pass(
    values: Mapping[str, Any], home: Home, spans: dict[int, Any]
) -> tuple[Any, _Gathering]:
    sink = _Gathering()
    pickler = _packer()(sink, home, spans)
    pickler.dump(dict(values))
    return pickler, sink


def unpacked(parcel: Parcel, home: Home) -> dict[str, Any]:
    """Return the values of a parcel.

    Where the home's names are its scope, functions and classes are also bound there by
    their own names.
    """
    token = _home.set(home)
    try:
        values: dict[str, Any] = load(parcel.body, parcel.buffers)
        return values
    finally:
        _home.reset(token)


_home: ContextVar[Home] = ContextVar("nborch_home")


def _found(names: Mapping[str, Any], path: str) -> Any:
    """Return what a qualified name leads to; None if nothing."""
    first, *rest = path.split(".")
    found = names.get(first)
    for part in rest:
        found = getattr(found, part, None)
    return found


@cache
def _packer() -> Any:
    """Return the pickler; made at first use, for cloudpickle is a third party."""
    import cloudpickle

    class _Packer(pickler_type()):  # type: ignore[misc]  # made at run time
        def __init__(self, sink: Sink, home: Home, spans: dict[int, Any]) -> None:
            super().__init__(sink, spans)
            self._home = home

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, _REMEMBERING) and obj.__module__ == "__main__":
                return _cached, (obj.__wrapped__, obj.cache_parameters())
            if isinstance(obj, type | FunctionType) and obj.__module__ == "__main__":
                path = obj.__qualname__
                if self._home.known and _found(self._home.known, path) is obj:
                    return _named, (path,)
                reduced = cloudpickle.Pickler.reducer_override(self, obj)
                if isinstance(reduced, tuple):
                    return self._at_home(obj, reduced)
                return reduced
            return super().reducer_override(obj)

        def _at_home(self, obj: Any, reduced: tuple[Any, ...]) -> Any:
            make, args, state, _, _, settle = reduced
            home = self._home
            if isinstance(obj, FunctionType) and obj.__globals__ is home.scope:
                code, _, *rest = args
                make, args = _function, (code, *rest)
                own, slots = state
                looked_up = _looked_up(obj, home.names) if home.known is None else {}
                state = own, slots | {"__globals__": looked_up}
            elif make.__name__ == "_make_skeleton_class":
                # Its fingerprint tells the order in which a class was written.
                args = (*args[:3], args[3] | _places_in(obj), *args[4:])
                state = _in_order(obj, state)
            stands = _found(home.names, obj.__qualname__) is obj
            return make, args, (settle, state, stands), None, None, _settle

    return _Packer


_REMEMBERING = type(lru_cache(divmod))
#: Attributes of classes that Python makes.
_MADE = {"__module__", "__dict__", "__weakref__", "__qualname__", "_abc_impl"}


def _places_in(kind: type) -> dict[str, Any]:
    """Return what keeps a place for each attribute of a class until it is set."""
    if type(kind) not in {type, ABCMeta} or issubclass(kind, tuple):
        return {}  # what makes the class looks at what it is made of
    entries = vars(kind)
    slots = entries.get("__slots__", ())
    slots = (slots,) if isinstance(slots, str) else tuple(slots)
    places: dict[str, Any] = {}
    for name in entries:
        if name == "__slots__":
            places[name] = entries[name]
        elif name == "__doc__" and entries[name] is None:
            break  # Python sets it after the class body: what follows came later
        elif name not in _MADE and name not in slots:
            places[name] = None
    return places


def _in_order(kind: type, state: Any) -> Any:
    """Return a class's state with the attributes in the order of the class."""
    own, slots = state
    known = {name: own[name] for name in vars(kind) if name in own}
    return known | own, slots


def _cached(function: Any, parameters: dict[str, Any]) -> Any:
    """Return a function that remembers; what it remembered does not travel."""
    made = lru_cache(**parameters)(function)
    home = _home.get()
    if home.names is home.scope:
        home.scope.setdefault(function.__qualname__, made)
    return made


def _looked_up(function: FunctionType, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names that a function looks up, with their values."""
    found = (each.name for each in references(function.__code__).names)
    return {name: names[name] for name in sorted({*found}) if name in names}


def _named(path: str) -> Any:
    """Return the function or class that the notebook knows by this name."""
    return _found(_home.get().names, path)


def _function(code: Any, *rest: Any) -> FunctionType:
    """Return a function that looks up its names where the parcel is unpacked."""
    name, defaults, closure = (*rest, None, None, None)[:3]
    return FunctionType(code, _home.get().scope, name, defaults, closure)


def _settle(obj: Any, state: tuple[Any, Any, bool]) -> None:
    """Give a function or class its content, and a name where it had one."""
    settle, content, stands = state
    home = _home.get()
    if stands and home.names is home.scope and "." not in obj.__qualname__:
        home.scope.setdefault(obj.__qualname__, obj)
    own = home.scope.get("__builtins__")
    settle(obj, content)
    if own is not None:
        # NB. cloudpickle has put the builtins of its own module there.
        home.scope["__builtins__"] = own
