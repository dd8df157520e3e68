"""What a database can hold of texts, JSON values and the ids of runs."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

__all__ = [
    "any_text",
    "json_text",
    "key_range",
    "run_id_of",
    "run_key",
    "text_of",
    "utf8_text",
]


def _made_once() -> Callable[[Any], str]:
    """Return what encodes strict JSON, for as little as each value takes."""
    encode = json.JSONEncoder(check_circular=False, allow_nan=False).encode
    # NB. JSONEncoder makes one of these for every value; that costs more than its use.
    compiled: Any = getattr(json.encoder, "c_make_encoder", None)
    escaped = json.encoder.encode_basestring_ascii
    try:
        chunks: Callable[[Any, int], Iterable[str]] = compiled(
            None, json.JSONEncoder().default, escaped, None, ": ", ", ", *[False] * 3
        )
        is_known = "".join(chunks({"a": [1, None]}, 0)) == '{"a": [1, null]}'
    except (TypeError, ValueError):
        is_known = False
    return (lambda value: "".join(chunks(value, 0))) if is_known else encode


_encode = _made_once()


def json_text(value: Mapping[str, Any]) -> str:
    """Return strict JSON, whatever stands in it.

    >>> json_text({"limit": float("inf"), (1, 2): None})
    '{"limit": "inf", "[1, 2]": null}'
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError):
        return _encode(_plain(value, 20))


def _plain(value: Any, depth: int) -> Any:
    """Return the value with a text for whatever JSON does not have."""
    if depth and isinstance(value, Mapping):
        return {str(_plain(k, 1)): _plain(v, depth - 1) for k, v in value.items()}
    if depth and type(value) in (list, tuple):
        return [_plain(item, depth - 1) for item in value]
    try:
        _encode(value)
    except (TypeError, ValueError, RecursionError):
        try:
            return str(value)
        except Exception:  # noqa: BLE001  # it cannot tell itself
            return f"<{type(value).__qualname__}>"
    return value


def utf8_text(text: str) -> str:
    r"""Return text that UTF-8 can hold: a lone surrogate becomes ``\udc80``."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def any_text(text: str) -> str | bytes:
    """Return text as it is, or bytes if UTF-8 cannot hold it: a lone surrogate."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def text_of(stored: str | bytes) -> str:
    """Return the text that `any_text` gave this for."""
    if isinstance(stored, bytes):
        return stored.decode("utf-8", "surrogatepass")
    return stored


# A UUID whose first byte is this one is kept as a text too, so that it tells which.
_IS_TEXT = 0xFF


# NB. Not bytes: what sqlite3 cannot bind as it is, it first looks up an adapter for,
# and that takes longer than all else that is done with a value. Nobody writes into it.
@lru_cache(4_096)
def run_key(run_id: str) -> bytearray:
    """Return what stands for the id of a run: 16 bytes for a UUID.

    >>> run_key("01890a5d-ac96-774b-bcce-b302099a8057").hex()
    '01890a5dac96774bbcceb302099a8057'
    """
    if len(run_id) == 36:  # noqa: PLR2004  # of a UUID
        try:
            key = bytearray.fromhex(run_id.replace("-", ""))
        except ValueError:
            key = bytearray()
        if key and key[0] != _IS_TEXT and run_id_of(key) == run_id:
            return key
    return bytearray([_IS_TEXT]) + run_id.encode("utf-8", "surrogatepass")


def run_id_of(key: bytes | bytearray) -> str:
    """Return the id that `run_key` gave the key for."""
    if key[0] == _IS_TEXT:
        return key[1:].decode("utf-8", "surrogatepass")
    text = key.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def key_range(start: str) -> tuple[bytes, bytes] | None:
    """Return the least and the greatest key of UUIDs that start so, if any do.

    >>> [key.hex() for key in key_range("01890a5d-a")]
    ['01890a5da00000000000000000000000', '01890a5dafffffffffffffffffffffff']
    """
    digits = start.replace("-", "")
    try:
        least = bytes.fromhex(digits.ljust(32, "0"))
        greatest = bytes.fromhex(digits.ljust(32, "f"))
    except ValueError:
        return None
    return (least, greatest) if run_id_of(least).startswith(start) else None
