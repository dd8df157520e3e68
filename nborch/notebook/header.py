"""The first line of a cell task: ``%%task [NAME] [--refresh] [--no-cache]``."""

import shlex
from dataclasses import dataclass

from nborch.exceptions import InvalidDeclaration, did_you_mean

__all__ = ["Header", "parse_header"]

OPTIONS = {
    "--refresh": "run the cell and replace what was kept",
    "--no-cache": "run the cell and keep nothing",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line asks for."""

    name: str = "cell"
    refresh: bool = False
    no_cache: bool = False


def parse_header(line: str) -> Header:
    """Return what a ``%%task`` line asks for.

    >>> parse_header("%%task clean --refresh")
    Header(name='clean', refresh=True, no_cache=False)

    Raises
    ------
    InvalidDeclaration
        It has an unknown option, or more than one name.
    """
    try:
        words = shlex.split(line.strip().removeprefix("%%task"), comments=True)
    except ValueError as error:
        raise InvalidDeclaration(
            f"The line {line.strip()!r} cannot be read: {error}."
        ) from None
    names = [word for word in words if not word.startswith("-")]
    for word in words:
        if word.startswith("-") and word not in OPTIONS:
            raise InvalidDeclaration(
                f"%%task has no option {word!r}.{did_you_mean(word, OPTIONS)} "
                f"Its options are: {', '.join(OPTIONS)}."
            )
    if len(names) > 1:
        raise InvalidDeclaration(
            f"%%task takes one name, not {len(names)}: {', '.join(names)}. "
            f"Join them: {'_'.join(names)}."
        )
    name = names[0] if names else "cell"
    return Header(name, "--refresh" in words, "--no-cache" in words)
