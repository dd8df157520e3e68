"""Completion of the first line of a cell task: names, options and their values."""

import glob
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nborch.exceptions import NborchError
from nborch.home import current_home
from nborch.notebook.effects.namespace import is_shells
from nborch.notebook.headers.header import Header
from nborch.notebook.headers.options import FLOW, TASK, Known, Option, Takes, options_of

__all__ = ["HeaderCompletion", "Seen"]

#: More paths than this help nobody.
MOST_PATHS = 200


@dataclass(slots=True)
class Seen:
    """The names and tags of the cells of this session, the last one last."""

    names: dict[str, None] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)

    def note(self, header: Header) -> None:
        """Take what a header names."""
        if header.name != Header().name:
            self.names[header.name] = None
        self.tags.update(dict.fromkeys(header.tags))


class HeaderCompletion:
    """Tell IPython how a header line may go on.

    It is a completion matcher of version 2: called with what stands before the cursor.

    Parameters
    ----------
    shell
        The IPython shell.
    seen
        What earlier cells have named.
    """

    matcher_identifier = "nborch.header"
    matcher_api_version = 2
    matcher_priority = 100.0

    def __init__(self, shell: Any, seen: Seen) -> None:
        self._shell = shell
        self._seen = seen
        # IPython asks every matcher for it.
        self.__qualname__ = type(self).__qualname__

    def __call__(self, context: Any) -> dict[str, Any]:
        """Return the completions, and that nobody else is to be asked."""
        found: list[tuple[str, str]] = []
        # NB. What is raised here would end all other completion, too.
        with suppress(Exception):
            if _is_header(context.full_text, context.cursor_line):
                line = context.line_with_cursor[: context.cursor_position]
                before = line[: len(line) - len(context.token)]
                found = list(self._matches(before.split(), before, context.token))
        return {
            "completions": [_Match(text, kind) for text, kind in found],
            "suppress": bool(found),
            "ordered": True,
        }

    def _matches(
        self, words: list[str], before: str, token: str
    ) -> Iterable[tuple[str, str]]:
        if not words:
            return []
        magic, *words = words
        table = options_of(magic)
        option = _awaited(words, before, table)
        if option is not None:
            offered = self._values(option, token)
            return [(each, "instance") for each in offered if each.startswith(token)]
        if token.startswith("-"):
            return [(each, "keyword") for each in table if each.startswith(token)]
        names = [] if _has_name(words, table) else [*reversed(self._seen.names)]
        told = [(each, "function") for each in names if each.startswith(token)]
        return told if token else [*told, *((each, "keyword") for each in table)]

    def _values(self, option: Option, token: str) -> list[str]:
        """Return what could be the value of an option."""
        known = option.known
        if isinstance(known, tuple):
            return list(known)
        if known is Known.NAMES:
            return sorted(
                name
                for name in self._shell.user_ns
                if not is_shells(name)
                and name not in self._shell.user_ns_hidden
                and (token.startswith("_") or not name.startswith("_"))
            )
        if known is Known.VARIABLES:
            return sorted(os.environ)
        if known is Known.PATHS:
            return _paths(token)
        limits = _limits() if known in {Known.LIMITS, Known.TAGS} else []
        tags = list(self._seen.tags) if known is Known.TAGS else []
        return sorted({*limits, *tags})


@dataclass(slots=True)
class _Match:
    """One completion, as IPython reads it."""

    text: str
    type: str


def _is_header(text: str, line: int) -> bool:
    """Tell whether a line of a cell is a header: no code stands above it."""
    lines = text.split("\n")[: line + 1]
    words = lines[-1].split(maxsplit=1)
    return words[:1] in ([TASK], [FLOW]) and all(
        each.startswith("%%") for each in lines
    )


def _awaited(
    words: list[str], before: str, table: Mapping[str, Option]
) -> Option | None:
    """Return the option whose value comes next, if one does."""
    last = words[-1] if words else ""
    if not before[-1:].isspace():
        # Within a word: behind an equals sign or a comma.
        option = table.get(last.partition("=")[0]) if "=" in last else None
        if option is None and before.endswith(",") and len(words) > 1:
            option = table.get(words[-2])
        return option if option is not None and option.value else None
    for word in reversed(words):
        if word.startswith("-"):
            option = table.get(word)
            takes = option.takes if option else Takes.NOTHING
            is_open = takes is Takes.WORDS or (
                word is last and takes in {Takes.ONE, Takes.LIST}
            )
            return option if is_open else None
    return None


def _has_name(words: list[str], table: Mapping[str, Option]) -> bool:
    """Tell whether a word among these is the name of the cell."""
    takes = Takes.NOTHING
    for word in words:
        if word.startswith("-"):
            option = table.get(word)
            takes = option.takes if option else Takes.NOTHING
        elif takes in {Takes.ONE, Takes.LIST}:
            takes = Takes.NOTHING
        elif takes is not Takes.WORDS:
            return True
    return False


def _paths(token: str) -> list[str]:
    pattern = f"{glob.escape(token)}*"
    found = sorted(glob.glob(pattern))[:MOST_PATHS]  # noqa: PTH207  # as it is written
    return [f"{path}/" if Path(path).is_dir() else path for path in found]


def _limits() -> list[str]:
    try:
        return sorted(current_home().limits.store.names())
    except (NborchError, OSError):
        return []
