"""Secrets: values that a program uses and that nobody gets to read."""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["MASK", "Secret", "hidden", "hide", "holds_secret", "redacted", "texts_in"]

#: What stands for a secret wherever it would be shown.
MASK = "••••"

#: Shorter texts are not looked for: they stand in half of all that is written.
SHORTEST = 4


class Secret:
    """A value that is not shown, stored or logged.

    >>> token = Secret("s3cr3t-t0ken")
    >>> token, f"{token}", token.reveal()
    (Secret('••••'), '••••', 's3cr3t-t0ken')

    From the moment it is made, its text is also masked in everything that nborch
    records in this process: in events, messages, log lines and outputs of notebooks.
    A result that contains it is not kept.

    Parameters
    ----------
    value
        Mostly text; a container of texts hides each of them.
    origin
        Where it came from, which may be shown: ``${env:API_TOKEN}``.
    """

    __slots__ = ("_value", "origin")

    def __init__(self, value: Any, origin: str = "") -> None:
        if isinstance(value, Secret):
            value, origin = value.reveal(), origin or value.origin
        self._value = value
        self.origin = origin
        hide(*texts_in(value))

    def reveal(self) -> Any:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.origin or MASK!r})"

    def __str__(self) -> str:
        return self.origin or MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> tuple[type["Secret"], tuple[Any, str]]:
        # Made anew, so that it is masked in the other process, too.
        return Secret, (self._value, self.origin)


def texts_in(value: Any) -> Iterator[str]:
    """Return the texts of a value, at any depth of the plain containers."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes | bytearray):
        yield value.decode(errors="ignore")
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts_in(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from texts_in(item)
    elif hasattr(value, "get_secret_value"):
        yield from texts_in(value.get_secret_value())


class _Hidden:
    """The texts that are masked in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.texts: frozenset[str] = frozenset()
        self.pattern: re.Pattern[str] | None = None
        self.encoded: re.Pattern[bytes] | None = None

    def add(self, texts: Iterable[str]) -> None:
        with self.lock:
            found = self.texts | {text for text in texts if len(text) >= SHORTEST}
            if found == self.texts:
                return
            self.texts = found
            # The longest first: one may be the beginning of another.
            ordered = sorted({*found, *map(_escaped, found)}, key=len, reverse=True)
            self.pattern = re.compile("|".join(map(re.escape, ordered)))
            encoded = [text.encode(errors="surrogatepass") for text in found]
            self.encoded = re.compile(b"|".join(map(re.escape, encoded)))


_hidden = _Hidden()


def _escaped(text: str) -> str:
    """Return the text as a repr shows it."""
    return repr(text)[1:-1]


def hide(*texts: str) -> None:
    """Mask these texts from now on in what nborch records in this process.

    Texts of fewer than four characters are not: too much else would be masked.
    """
    _hidden.add(texts)


def hidden() -> frozenset[str]:
    """Return the texts that are masked in this process."""
    return _hidden.texts


def redacted(value: Any) -> Any:
    """Return text, or JSON with text in it, with a mask in place of each secret.

    >>> redacted({"message": "nothing to hide"})
    {'message': 'nothing to hide'}
    """
    pattern = _hidden.pattern
    return value if pattern is None else _redacted(value, pattern)


def _redacted(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(MASK, value)
    if isinstance(value, Mapping):
        return {
            _redacted(key, pattern): _redacted(item, pattern)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_redacted(item, pattern) for item in value]
    if isinstance(value, tuple):
        return tuple(_redacted(item, pattern) for item in value)
    return value


def holds_secret(*data: bytes | memoryview) -> bool:
    """Tell whether any of these bytes contain a secret's text."""
    pattern = _hidden.encoded
    return pattern is not None and any(pattern.search(part) for part in data)
