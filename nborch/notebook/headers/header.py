"""The first line of a cell task or a cell flow: ``%%task [NAME] [OPTIONS]``."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nborch.exceptions import InvalidDeclaration, did_you_mean
from nborch.notebook.headers.expansion import Unread, names_in, words_of
from nborch.notebook.headers.options import OPTIONS, Option, Takes, Unfit, options_of

__all__ = ["Header", "header_reads", "parse_header"]


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line asks for; `nborch.notebook.headers.options` explains it.

    Parameters
    ----------
    needs, makes
        The inputs and outputs beside those that the code tells; None if nothing was
        said, which for a cell with ``exec`` is another thing than that there are none.
    submit
        How to run in the background: ``"process"``, ``"thread"``, or None.
    """

    name: str = "cell"
    refresh: bool = False
    no_cache: bool = False
    retries: int = 0
    retry_delays: tuple[float, ...] = (0.0,)
    timeout: float | None = None
    cache_expiration: timedelta | None = None
    needs: tuple[str, ...] | None = None
    makes: tuple[str, ...] | None = None
    files: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    concurrency: tuple[str, ...] = ()
    log_prints: bool = False
    submit: str | None = None
    help: bool = False


def parse_header(line: str, namespace: Mapping[str, Any] | None = None) -> Header:
    """Return what a ``%%task`` or ``%%flow`` line asks for.

    >>> header = parse_header("%%task clean --retries 3 --needs raw,limit")
    >>> header.name, header.retries, header.needs
    ('clean', 3, ('raw', 'limit'))

    Parameters
    ----------
    namespace
        The notebook's names, for ``{expressions}`` in the line. Without it, options
        whose values are expressions are left out.

    Raises
    ------
    InvalidDeclaration
        An option is unknown or its value does not fit, or there are two names.
    """
    magic, *rest = line.split(maxsplit=1)
    words = deque(words_of("".join(rest), namespace))
    if "--help" in words:
        return Header(help=True)
    table = options_of(magic)
    names: list[str] = []
    given: dict[str, Any] = {}
    while words:
        word = words.popleft()
        if not word.startswith("-"):
            names.append(word)
            continue
        option = _option(magic, word, table)
        texts = _texts(magic, option, word, words, names)
        if not any(isinstance(text, Unread) for text in texts):
            _take(magic, option, texts, given)
    if len(names) > 1:
        raise InvalidDeclaration(
            f"{magic} takes one name, not {len(names)}: {', '.join(names)}. "
            f"Join them: {'_'.join(names)}."
        )
    return Header(**{"name": (names and names[0]) or "cell", **given})


def header_reads(line: str) -> frozenset[str]:
    """Return the names that a first line refers to, by --needs or in expressions.

    >>> sorted(header_reads("%%task load-{stage} --needs rows"))
    ['rows', 'stage']
    """
    try:
        needs = parse_header(line).needs
    except InvalidDeclaration:
        needs = None
    return names_in(line) | set(needs or ())


def _option(magic: str, word: str, table: Mapping[str, Option]) -> Option:
    name = word.partition("=")[0]
    if name in table:
        return table[name]
    others = {option.word: option.magics for option in OPTIONS}
    if name in others:
        raise InvalidDeclaration(
            f"{magic} has no option {name!r}, which is one of "
            f"{' and '.join(others[name])}. Its options are: {', '.join(table)}."
        )
    raise InvalidDeclaration(
        f"{magic} has no option {name!r}.{did_you_mean(name, table)} "
        f"Its options are: {', '.join(table)}."
    )


def _texts(
    magic: str, option: Option, word: str, words: deque[str], names: list[str]
) -> list[str]:
    """Return the words that belong to an option, and take them from the rest."""
    name, equals, value = word.partition("=")
    if equals:
        if option.takes is Takes.NOTHING:
            raise InvalidDeclaration(f"{magic} {name} takes no value. Write {name}.")
        return [Unread(value) if isinstance(word, Unread) else value]
    if option.takes is Takes.NOTHING:
        return []
    if option.takes is Takes.PERHAPS:
        if words and isinstance(option.known, tuple) and words[0] in option.known:
            raise InvalidDeclaration(
                f"Is {words[0]!r} the name of the cell, or how to {name.strip('-')} "
                f"it? Write the name first, or {name}={words[0]}."
            )
        return [""]
    # What begins with a dash and a digit is a number, wrong as it may be.
    if not words or (words[0][:1] == "-" and not words[0][1:2].isdigit()):
        raise InvalidDeclaration(f"{magic} {name} needs a value. Write {option.usage}.")
    if option.takes is not Takes.WORDS:
        return [words.popleft()]
    taken = []
    while words and words[0][:1] != "-":
        taken.append(words.popleft())
    if len(taken) > 1 and not names:
        raise InvalidDeclaration(
            f"Is {taken[-1]!r} the name of the cell, or does it belong to {name}? "
            f"Write the name first, or join what belongs to {name} with commas."
        )
    return taken


def _take(magic: str, option: Option, texts: list[str], given: dict[str, Any]) -> None:
    """Read what was given for an option."""
    field = option.field
    if option.takes is Takes.NOTHING:
        given[field] = True
        return
    if option.is_many:
        texts = [part.strip() for text in texts for part in text.split(",")]
        read = [_read(magic, option, text) for text in texts if text]
        given[field] = tuple(dict.fromkeys((*given.get(field, ()), *read)))
        return
    value = _read(magic, option, texts[0])
    if given.setdefault(field, value) != value:
        raise InvalidDeclaration(f"{magic} {option.word} is given twice.")


def _read(magic: str, option: Option, text: str) -> Any:
    try:
        return option.read(text)
    except Unfit as unfit:
        wanted, *near = unfit.args
        advice = "".join(near)
        raise InvalidDeclaration(
            f"{magic} {option.word} takes {wanted}, not {text!r}.{advice}"
        ) from None
