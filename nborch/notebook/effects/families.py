"""The notebook's own classes, which a cell may change through their instances."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from nborch.cache.fingerprints import fingerprint

__all__ = ["changed_class", "class_digests"]

#: More classes than this are no notebook's.
MOST = 200


def class_digests(namespace: Mapping[str, Any]) -> dict[str, tuple[type, str]]:
    """Return each class that the notebook defines, by name, with its digest."""
    classes = [
        (name, value)
        for name, value in list(namespace.items())
        if isinstance(value, type) and value.__module__ == "__main__"
    ]
    found: dict[str, tuple[type, str]] = {}
    for name, value in classes[:MOST]:
        # What cannot be compared makes the cells that use it uncached.
        with suppress(Exception):
            found[name] = value, fingerprint(value)
    return found


def changed_class(
    before: Mapping[str, tuple[type, str]], namespace: Mapping[str, Any]
) -> str | None:
    """Return the name of a class that is the same object and has changed.

    ``counter.add()`` may count in the class of ``counter``: storing the instance would
    not repeat that.
    """
    after = class_digests({n: namespace[n] for n in before if n in namespace})
    for name, (value, told) in sorted(before.items()):
        known, now = after.get(name, (None, ""))
        if known is value and now != told:
            return name
    return None
