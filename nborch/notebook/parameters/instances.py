"""Instances as source: dates, paths, enums, what numpy and pandas count with."""

import keyword
import sys
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag
from fractions import Fraction
from functools import partial
from pathlib import PurePath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from nborch.notebook.parameters.modules import (
    Inner,
    Modules,
    Unwritable,
    Writer,
    refusal,
)

__all__ = ["writer_of_instance"]


def writer_of_instance(value: Any) -> Writer:
    """Return what writes an instance of its class, or raise `Unwritable`."""
    kind = type(value)
    if isinstance(value, Enum):
        return _enum
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return _named_tuple
    if hasattr(value, "get_secret_value"):
        return _pydantic_secret
    package = kind.__module__.partition(".")[0]
    writer = _OF_CLASSES.get(kind) or _OF_PACKAGES.get(package)
    if writer is None:
        raise refusal(value)
    return writer


def _date(value: date, modules: Modules, _inner: Inner) -> str:
    name = modules.member("datetime", "date")
    return f"{name}({value.year}, {value.month}, {value.day})"


def _datetime(value: datetime, modules: Modules, inner: Inner) -> str:
    day = f"{value.year}, {value.month}, {value.day}, "
    clock = _clock(value, inner)
    return f"{modules.member('datetime', 'datetime')}({day}{clock})"


def _time(value: time, modules: Modules, inner: Inner) -> str:
    return f"{modules.member('datetime', 'time')}({_clock(value, inner)})"


def _clock(value: datetime | time, inner: Inner) -> str:
    """Return the arguments that a time of day is made with."""
    parts = [value.hour, value.minute, value.second, value.microsecond]
    while len(parts) > 2 and not parts[-1]:  # noqa: PLR2004  # hour and minute stay
        parts.pop()
    texts = [str(part) for part in parts]
    if value.tzinfo is not None:
        texts.append(f"tzinfo={inner(value.tzinfo)}")
    if value.fold:
        texts.append(f"fold={value.fold}")
    return ", ".join(texts)


def _timedelta(value: timedelta, modules: Modules, _inner: Inner) -> str:
    parts = ("days", "seconds", "microseconds")
    told = [f"{part}={getattr(value, part)}" for part in parts if getattr(value, part)]
    return f"{modules.member('datetime', 'timedelta')}({', '.join(told) or '0'})"


def _timezone(value: timezone, modules: Modules, inner: Inner) -> str:
    name = modules.member("datetime", "timezone")
    if value is timezone.utc:  # noqa: UP017  # the one object, by its old name
        return f"{name}.utc"
    # Its name, if it has one of its own, is the second of what it was made with.
    offset, *named = value.__getinitargs__()  # type: ignore[attr-defined]  # pickle's way
    texts = [inner(offset), *map(repr, named)]
    return f"{name}({', '.join(texts)})"


def _pydantic_core(value: Any, _modules: Modules, inner: Inner) -> str:
    """Write what pydantic makes of an offset, as the standard library has it."""
    offset = value.utcoffset(None) if isinstance(value, tzinfo) else None
    if offset is None:
        raise refusal(value)
    return inner(timezone(offset) if offset else timezone.utc)  # noqa: UP017  # as above


def _zone(value: ZoneInfo, modules: Modules, _inner: Inner) -> str:
    if value.key is None:
        raise refusal(value)
    return f"{modules.member('zoneinfo', 'ZoneInfo')}({value.key!r})"


def _fraction(value: Fraction, modules: Modules, inner: Inner) -> str:
    parts = (value.numerator, value.denominator)
    texts = ", ".join(map(inner, parts))
    return f"{modules.member('fractions', 'Fraction')}({texts})"


def _of_text(value: Any, modules: Modules, _inner: Inner) -> str:
    """Write what its class makes again of its own text."""
    kind = type(value)
    return f"{modules.member(kind.__module__, kind.__name__)}({str(value)!r})"


def _path(value: PurePath, modules: Modules, _inner: Inner) -> str:
    name = type(value).__name__
    # A path of this system: the class has another name on another one.
    name = "Path" if name in {"PosixPath", "WindowsPath"} else name
    return f"{modules.member('pathlib', name)}({str(value)!r})"


def _enum(value: Enum, modules: Modules, inner: Inner) -> str:
    kind = type(value)
    name = _importable(kind, modules)
    if name is None:
        raise Unwritable(
            f"{value!r}, whose class {kind.__qualname__} cannot be imported by the "
            "notebook's kernel. Define the class in a module, or give its value."
        )
    member = value.name
    if member is None or kind.__members__.get(member) is not value:
        if not isinstance(value, Flag):
            raise refusal(value)
        return f"{name}({inner(value.value)})"
    if member.isidentifier() and not keyword.iskeyword(member):
        return f"{name}.{member}"
    return f"{name}[{member!r}]"


def _named_tuple(value: Any, modules: Modules, inner: Inner) -> str:
    kind = type(value)
    name = _importable(kind, modules)
    if name is None:
        raise Unwritable(
            f"a {kind.__name__}, whose class cannot be imported by the notebook's "
            "kernel. Define the class in a module, or give a plain tuple."
        )
    fields = zip(kind._fields, value, strict=True)
    texts = ", ".join(f"{field}={inner(item)}" for field, item in fields)
    return f"{name}({texts})"


def _importable(kind: type, modules: Modules) -> str | None:
    """Return how a class is called after an import; None if it cannot be imported."""
    module = kind.__module__
    if module in {"__main__", "__mp_main__"} or "<" in kind.__qualname__:
        return None
    found: Any = sys.modules.get(module)
    for step in kind.__qualname__.split("."):
        found = getattr(found, step, None)
    return modules.member(module, kind.__qualname__) if found is kind else None


def _numpy(value: Any, modules: Modules, inner: Inner) -> str:
    import numpy as np

    member = partial(modules.member, "numpy")
    if isinstance(value, np.datetime64 | np.timedelta64):
        unit, count = np.datetime_data(value.dtype)
        step = f", {unit if count == 1 else (unit, count)!r}"
        step = "" if unit == "generic" else step
        text = repr(str(value)) if value.dtype.kind == "M" else str(value.astype(int))
        text = "'NaT'" if np.isnat(value) else text
        return f"{member(type(value).__name__)}({text}{step})"
    if isinstance(value, np.generic) and value.dtype.kind in "biufcSU":
        name = "bool_" if value.dtype.kind == "b" else type(value).__name__
        if name in {"longdouble", "clongdouble"}:
            raise refusal(value)
        return f"{member(name)}({inner(value.item())})"
    raise refusal(value)


def _pandas(value: Any, modules: Modules, inner: Inner) -> str:
    import pandas as pd

    member = partial(modules.member, "pandas")
    if value is pd.NaT or value is pd.NA:
        return member("NaT" if value is pd.NaT else "NA")
    if isinstance(value, pd.Timedelta):
        made = f"({value.isoformat()!r})"
        unit = _unit(value, pd.Timedelta(value.isoformat()))
        return f"{member('Timedelta')}{made}{unit}"
    if isinstance(value, pd.Timestamp) and value.tz is None:
        unit = _unit(value, pd.Timestamp(value.isoformat()))
        return f"{member('Timestamp')}({value.isoformat()!r}){unit}"
    if isinstance(value, pd.Timestamp):
        # By the moment, because a wall clock shows an hour twice in autumn.
        moment = value.tz_convert("UTC").isoformat()
        key = getattr(value.tz, "key", None) or getattr(value.tz, "zone", None)
        zone = repr(key) if key else inner(value.tz)
        unit = _unit(value, pd.Timestamp(moment, tz=value.tz))
        return f"{member('Timestamp')}({moment!r}, tz={zone}){unit}"
    raise refusal(value)


def _unit(value: Any, remade: Any) -> str:
    """Return what gives a remade time of pandas the resolution of the first."""
    unit = getattr(value, "unit", None)
    same = unit == getattr(remade, "unit", None)
    return "" if same else f".as_unit({unit!r})"


def _pydantic_secret(value: Any, modules: Modules, inner: Inner) -> str:
    kind = type(value)
    name = _importable(kind, modules)
    if name is None:
        raise refusal(value)
    return f"{name}({inner(value.get_secret_value())})"


#: What writes the instances of just these classes.
_OF_CLASSES: dict[type, Writer] = {
    date: _date,
    datetime: _datetime,
    time: _time,
    timedelta: _timedelta,
    timezone: _timezone,
    ZoneInfo: _zone,
    Decimal: _of_text,
    Fraction: _fraction,
    UUID: _of_text,
}

#: What writes the instances of the classes that a package defines.
_OF_PACKAGES: dict[str, Writer] = {
    "ipaddress": _of_text,
    "numpy": _numpy,
    "pandas": _pandas,
    "pathlib": _path,
    "pydantic_core": _pydantic_core,
}
