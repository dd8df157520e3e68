"""Names of kept results: digests of parts and the key of a cell or a call."""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

__all__ = ["SCHEMA", "cache_key", "digest"]

#: Part of every key. Raise it when the meaning of a fingerprint changes.
SCHEMA = "nborch-1"

_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


def digest(*parts: bytes | str) -> str:
    """Return 32 hex digits that stand for the parts, their types and their limits.

    >>> digest("ab", "c") == digest("a", "bc")
    False
    >>> digest(b"a") == digest("a")
    False
    """
    pieces: list[bytes] = []
    for part in parts:
        if isinstance(part, str):
            data = part.encode("utf-8", "surrogatepass")
            pieces += (b"s%d:" % len(data), data)
        else:
            pieces += (b"b%d:" % len(part), part)
    return _hexdigest()(b"".join(pieces))


@cache
def _hexdigest() -> Callable[[bytes], str]:
    # An import within a function that runs at every call would cost as much as it.
    from xxhash import xxh3_128_hexdigest

    return xxh3_128_hexdigest


def cache_key(
    *,
    body: str,
    inputs: Mapping[str, str],
    options: Mapping[str, str] = _NO_OPTIONS,
) -> str:
    """Return the key under which the result of a body is kept.

    >>> one = cache_key(body="b", inputs={"x": "1", "y": "2"})
    >>> one == cache_key(body="b", inputs={"y": "2", "x": "1"})
    True
    >>> one == cache_key(body="b", inputs={"x": "2", "y": "1"})
    False

    Parameters
    ----------
    body
        The digest of the code that runs: `ast_digest` or `code_digest`.
    inputs
        The fingerprint of each input by its name.
    options
        What else decides the result, such as a version the user declared. Nothing
        that names a place (a cell, a path, a line) belongs in here.
    """
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return digest(SCHEMA, python, body, _table(options), _table(inputs))


def _table(entries: Mapping[str, str]) -> str:
    rows = (digest(name, entries[name]) for name in sorted(entries))
    return digest(*rows)
