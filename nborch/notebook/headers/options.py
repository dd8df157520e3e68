"""The options of ``%%task`` and ``%%flow``: a table to read, help and complete."""

import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from math import inf
from typing import Any

from nborch.exceptions import did_you_mean
from nborch.specs import MAX_DELAYS

__all__ = ["FLOW", "OPTIONS", "TASK", "Known", "Option", "Takes", "Unfit", "options_of"]

TASK, FLOW = "%%task", "%%flow"


class Unfit(ValueError):
    """What an option takes, as a phrase: ``"a whole number from 0"``."""


class Takes(Enum):
    """What may follow an option."""

    #: Nothing: it is said or not.
    NOTHING = auto()
    #: One word.
    ONE = auto()
    #: One word of values with commas between them; the option may come again.
    LIST = auto()
    #: Several words; the option may come again.
    WORDS = auto()
    #: A word after an equals sign, or nothing.
    PERHAPS = auto()


class Known(Enum):
    """Where completion finds the values of an option."""

    #: The names of the notebook.
    NAMES = auto()
    #: Files and folders.
    PATHS = auto()
    #: Environment variables.
    VARIABLES = auto()
    #: The tags of earlier cells, and concurrency limits.
    TAGS = auto()
    #: Concurrency limits.
    LIMITS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a header.

    Parameters
    ----------
    word
        As it is written: ``--retries``.
    field
        What it sets of a `nborch.notebook.headers.header.Header`.
    value
        What stands for its value in the help.
    about
        What it does, for the help.
    read
        Makes the value of a word, or raises `Unfit`.
    magics
        The magics that have it.
    known
        Where its values are found: a place, or the values themselves.
    """

    word: str
    field: str
    about: str
    value: str = ""
    takes: Takes = Takes.NOTHING
    read: Callable[[str], Any] = str
    magics: tuple[str, ...] = (TASK,)
    known: Known | tuple[str, ...] | None = None

    @property
    def usage(self) -> str:
        """The option with what it takes: ``--retries N``."""
        between = "" if self.value[:1] == "[" or not self.value else " "
        return f"{self.word}{between}{self.value}"

    @property
    def is_many(self) -> bool:
        """Whether it may come several times, and its values add up."""
        return self.takes in {Takes.LIST, Takes.WORDS}


_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ms|[smhdw])")


def read_span(text: str) -> float:
    """Return a span of time in seconds.

    >>> read_span("90"), read_span("1h30m"), read_span("250ms")
    (90.0, 5400.0, 0.25)
    """
    wanted = "a time such as 30, 30s, 5m, 1h30m or 7d"
    if _SPAN.sub("", text) == "" and text:
        parts = (part for part in _SPAN.findall(text))
        return float(sum(_seconds(part) for part in parts))
    try:
        seconds = float(text)
    except ValueError:
        raise Unfit(wanted) from None
    if not 0 <= seconds < inf:
        raise Unfit(wanted)
    return seconds


def _seconds(part: str) -> float:
    unit = part.lstrip("0123456789.")
    return float(part.removesuffix(unit)) * _UNITS[unit]


def _read_count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Unfit("a whole number from 0")
    return int(text)


def _read_timeout(text: str) -> float | None:
    # As for tasks, zero takes a timeout back.
    return read_span(text) or None


def _read_delays(text: str) -> tuple[float, ...]:
    delays = tuple(read_span(each.strip()) for each in text.split(","))
    if len(delays) > MAX_DELAYS:
        raise Unfit(f"at most {MAX_DELAYS} delays, of which the last one repeats")
    return delays


def _read_expiration(text: str) -> timedelta:
    try:
        return timedelta(seconds=read_span(text))
    except OverflowError:
        raise Unfit("a time of less than a million days") from None


def _read_name(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise Unfit("names of the notebook with commas between them")
    return text


def _read_variable(text: str) -> str:
    if "=" in text or "\0" in text:
        raise Unfit("names of environment variables, not their values")
    return text


def _read_path(text: str) -> str:
    if "\0" in text:
        raise Unfit("paths of files and folders")
    return text


_WAYS = ("process", "thread")


def _read_way(text: str) -> str:
    if not text:
        return _WAYS[0]
    if text not in _WAYS:
        near = did_you_mean(text, _WAYS)
        raise Unfit(f"{' or '.join(_WAYS)} after an equals sign", near)
    return text


_BOTH = (TASK, FLOW)

#: All options, in the order of the help.
OPTIONS = (
    Option(
        word="--retries",
        field="retries",
        value="N",
        takes=Takes.ONE,
        read=_read_count,
        magics=_BOTH,
        about="repeat the cell so often if it fails, from the names as they were",
    ),
    Option(
        word="--retry-delay",
        field="retry_delays",
        value="TIME",
        takes=Takes.ONE,
        read=_read_delays,
        magics=_BOTH,
        about="wait before each retry: 30s, or 1,10,60 of which the last one repeats",
    ),
    Option(
        word="--timeout",
        field="timeout",
        value="TIME",
        takes=Takes.ONE,
        read=_read_timeout,
        magics=_BOTH,
        about="end an attempt that takes longer, with RunTimedOut",
    ),
    Option(
        word="--cache-expiration",
        field="cache_expiration",
        value="TIME",
        takes=Takes.ONE,
        read=_read_expiration,
        about="restore what was kept for so long only: 1h, 7d",
    ),
    Option(
        word="--refresh",
        field="refresh",
        about="run the cell and replace what was kept",
    ),
    Option(
        word="--no-cache",
        field="no_cache",
        about="run the cell and keep nothing",
    ),
    Option(
        word="--needs",
        field="needs",
        value="NAME,...",
        takes=Takes.LIST,
        read=_read_name,
        known=Known.NAMES,
        about="inputs beside those found in the code (--needs= says: no others)",
    ),
    Option(
        word="--makes",
        field="makes",
        value="NAME,...",
        takes=Takes.LIST,
        read=_read_name,
        known=Known.NAMES,
        about="outputs that the cell has to make, beside those found; with --needs and "
        "--makes, a cell that calls exec() is kept, too",
    ),
    Option(
        word="--files",
        field="files",
        value="PATH...",
        takes=Takes.WORDS,
        read=_read_path,
        known=Known.PATHS,
        about="files, folders and globs (data/**/*.csv) whose content is an input",
    ),
    Option(
        word="--env",
        field="env",
        value="NAME...",
        takes=Takes.WORDS,
        read=_read_variable,
        known=Known.VARIABLES,
        about="environment variables that are inputs",
    ),
    Option(
        word="--tags",
        field="tags",
        value="TAG,...",
        takes=Takes.LIST,
        magics=_BOTH,
        known=Known.TAGS,
        about="words to find its runs by; those that are concurrency limits limit it",
    ),
    Option(
        word="--concurrency",
        field="concurrency",
        value="LIMIT,...",
        takes=Takes.LIST,
        known=Known.LIMITS,
        about="hold a slot of these concurrency limits while the cell runs",
    ),
    Option(
        word="--log-prints",
        field="log_prints",
        magics=_BOTH,
        about="keep what is printed in the log of the run, too",
    ),
    Option(
        word="--submit",
        field="submit",
        value="[=thread]",
        takes=Takes.PERHAPS,
        read=_read_way,
        known=_WAYS,
        about="run the cell in the background: in a process, or in a thread",
    ),
    Option(
        word="--help",
        field="help",
        magics=_BOTH,
        about="show this and run nothing",
    ),
)


def options_of(magic: str) -> Mapping[str, Option]:
    """Return the options of a magic by their words.

    >>> list(options_of("%%flow"))[:3]
    ['--retries', '--retry-delay', '--timeout']
    """
    return {option.word: option for option in OPTIONS if magic in option.magics}
