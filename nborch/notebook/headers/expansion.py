"""The words of a header, with ``{expressions}`` and ``$names`` put in."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from nborch.exceptions import InvalidDeclaration, did_you_mean

__all__ = ["Unread", "names_in", "words_of"]

#: What IPython expands in the lines of its magics, and how it is escaped.
_HOLE = re.compile(r"(?P<escaped>\{\{|\}\}|\$\$)|\{(?P<code>[^{}]+)\}|\$(?P<name>\w+)")
#: Stand for a hole while the line is split: what is put in is never split itself.
_OPEN, _SHUT = "\ue000", "\ue001"
_FILLED = re.compile(f"{_OPEN}(\\d+){_SHUT}")


class Unread(str):
    """A word whose value only the notebook's kernel knows."""

    __slots__ = ()


def words_of(line: str, namespace: Mapping[str, Any] | None) -> list[str]:
    """Return the words of a header line.

    >>> words_of("clean --files {folder}/*.csv  # all", {"folder": "my data"})
    ['clean', '--files', 'my data/*.csv']

    Parameters
    ----------
    namespace
        The names that expressions may use. Without it nothing is evaluated, and words
        with an expression come as `Unread`.

    Raises
    ------
    InvalidDeclaration
        The line cannot be split, or an expression cannot be evaluated.
    """
    holes: list[re.Match[str]] = []

    def hide(hole: re.Match[str]) -> str:
        holes.append(hole)
        return f"{_OPEN}{len(holes) - 1}{_SHUT}"

    hidden = line if _OPEN in line else _HOLE.sub(hide, line)
    try:
        words = shlex.split(hidden, comments=True)
    except ValueError as error:
        raise InvalidDeclaration(
            f"The line {line.strip()!r} cannot be read: {error}."
        ) from None
    # NB. Only now: an expression in a comment is none.
    return [_filled(word, holes, namespace) for word in words] if holes else words


def names_in(line: str) -> frozenset[str]:
    """Return the words in the expressions of a header line: names, perhaps.

    >>> sorted(names_in("clean-$stage --retries {n + 1} --files {{a}}"))
    ['n', 'stage']
    """
    holes = _HOLE.finditer(line)
    code = " ".join(hole["name"] or hole["code"] or "" for hole in holes)
    return frozenset(re.findall(r"[^\W\d]\w*", code))


def _filled(
    word: str, holes: list[re.Match[str]], namespace: Mapping[str, Any] | None
) -> str:
    is_unread = False

    def fill(mark: re.Match[str]) -> str:
        nonlocal is_unread
        hole = holes[int(mark[1])]
        if hole["escaped"]:
            return hole[0][0]
        if namespace is None:
            is_unread = True
            return hole[0]
        return _value(hole, namespace)

    filled = _FILLED.sub(fill, word)
    return Unread(filled) if is_unread else filled


def _value(hole: re.Match[str], namespace: Mapping[str, Any]) -> str:
    name = hole["name"]
    if name is not None:
        if name in namespace:
            return str(namespace[name])
        raise InvalidDeclaration(
            f"{hole[0]!r} in the first line is no name of the notebook."
            f"{did_you_mean(name, namespace)} Write $${name} for the characters."
        )
    code = hole["code"]
    try:
        # As in an f-string, so that {month:02d} means what it means there.
        return str(eval(f'f"""{{{code}}}"""', dict(namespace)))  # noqa: S307  # the user's
    except Exception as error:  # noqa: BLE001  # it is the user's expression
        raise InvalidDeclaration(
            f"The expression {hole[0]!r} in the first line raised "
            f"{type(error).__name__}: {error}. Write {{{{ and }}}} for braces."
        ) from None
