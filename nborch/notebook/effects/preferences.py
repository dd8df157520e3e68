"""Settings of libraries by which the same code shows or computes something else."""

import locale
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

__all__ = ["preferences"]

_NUMPY = {
    "edgeitems": 3,
    "floatmode": "maxprec",
    "formatter": None,
    "infstr": "inf",
    "legacy": False,
    "linewidth": 75,
    "nanstr": "nan",
    "precision": 8,
    "sign": "-",
    "suppress": False,
    "threshold": 1000,
}
_NUMPY_ERRORS = {
    "divide": "warn",
    "invalid": "warn",
    "over": "warn",
    "under": "ignore",
}
_DECIMAL = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
_LOCALE = ("LC_COLLATE", "LC_MONETARY", "LC_NUMERIC", "LC_TIME")


def preferences() -> dict[str, str]:
    """Return the settings that differ from the libraries' defaults, by name.

    A library that is not loaded has its defaults. So a notebook in which nobody
    changes a setting has none, wherever it runs.

    >>> preferences()
    {}
    """
    found: dict[str, str] = {}
    for settings in (_numpy, _pandas, _decimal, _locale):
        # Some are looked up where the libraries promise nothing.
        with suppress(Exception):
            found |= {f"setting {name}": repr(value) for name, value in settings()}
    return found


def _numpy() -> Iterator[tuple[str, Any]]:
    numpy: Any = sys.modules.get("numpy")
    if hasattr(numpy, "get_printoptions"):
        told = numpy.get_printoptions()
        yield from _differing("numpy", told, _NUMPY)
        yield from _differing("numpy", numpy.geterr(), _NUMPY_ERRORS)


def _differing(
    owner: str, told: dict[str, Any], usual: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    for name, value in usual.items():
        if name in told and told[name] != value:
            yield f"{owner}.{name}", told[name]


def _pandas() -> Iterator[tuple[str, Any]]:
    config = sys.modules.get("pandas._config.config")
    options = getattr(config, "_registered_options", None)
    if options:
        root = vars(config)["_global_config"]
        for name, group, last, usual in _places_in(root, options):
            if group[last] != usual:
                yield f"pandas.{name}", group[last]


#: An option of pandas: its name, where its value stands, and its default.
_Place = tuple[str, dict[str, Any], str, Any]
#: Where the options stood that there were when one looked last.
_known: tuple[Any, int, list[_Place]] = None, 0, []


def _places_in(root: Any, options: dict[str, Any]) -> list[_Place]:
    """Return where each of the options stands: they are as many as a cell has words."""
    global _known  # noqa: PLW0603  # one for the process, as the options are
    if _known[0] is root and _known[1] == len(options):
        return _known[2]
    places = []
    for name, option in sorted(options.items()):
        *groups, last = name.split(".")
        group = root
        for part in groups:
            group = group[part]
        places.append((name, group, last, option.defval))
    _known = root, len(places), places
    return places


def _decimal() -> Iterator[tuple[str, Any]]:
    decimal: Any = sys.modules.get("decimal")
    if hasattr(decimal, "getcontext"):
        now, usual = decimal.getcontext(), decimal.DefaultContext
        for name in _DECIMAL:
            if getattr(now, name) != getattr(usual, name):
                yield f"decimal.{name}", getattr(now, name)
        if now.traps != usual.traps:
            traps = (signal.__name__ for signal, is_on in now.traps.items() if is_on)
            yield "decimal.traps", sorted(traps)


def _locale() -> Iterator[tuple[str, Any]]:
    for name in _LOCALE:
        told = locale.setlocale(getattr(locale, name))
        if told != "C":
            yield f"locale.{name}", told
