"""What a cell asks of its run: by its tags, its metadata, or a comment at its top."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nborch.exceptions import InvalidDeclaration

__all__ = ["Marks", "marks_of"]

_WORD = r"(?:once|skip-execution|raises-exception|timeout=[^\s,]*)"
# Of these words alone: what is a sentence about nborch asks for nothing.
_COMMENT = re.compile(rf"#\s*nborch:\s*({_WORD}(?:[\s,]+{_WORD})*)\s*")
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Marks:
    """What one cell asks of its run.

    Parameters
    ----------
    skips
        It is not to be run: the tag ``skip-execution``.
    may_raise
        An error in it does not end the run: the tag ``raises-exception``.
    once
        A resumed run does not run it again if it has completed: the tag ``once``.
    timeout_seconds
        How long it may take, in place of the run's own limit for cells; infinite for
        ``timeout=none``, and None if it does not say.
    """

    skips: bool = False
    may_raise: bool = False
    once: bool = False
    timeout_seconds: float | None = None

    def limit(self, default: float | None) -> float | None:
        """Return how long the cell may take, None for as long as it likes.

        >>> Marks(timeout_seconds=30.0).limit(5.0), Marks().limit(5.0)
        (30.0, 5.0)
        """
        own = self.timeout_seconds
        if own is None:
            return default
        return None if math.isinf(own) else own


def marks_of(cell: Any, place: int) -> Marks:
    """Return what a cell asks of its run.

    >>> from nbformat.v4 import new_code_cell
    >>> marks_of(new_code_cell("# nborch: timeout=30 once"), 1).timeout_seconds
    30.0

    The tags ``once`` and ``timeout=30``, ``{"nborch": {"once": true, "timeout": 30}}``
    in the cell's metadata, and a comment ``# nborch: once timeout=30`` in its first
    line (the second of a cell magic) say the same.

    Parameters
    ----------
    place
        The number of the cell among all cells, counted from 1, for the message.

    Raises
    ------
    InvalidDeclaration
        A time limit is no number of seconds.
    """
    words = set(cell.metadata.get("tags", ())) | set(_comment(cell.source))
    own = cell.metadata.get("nborch", {})
    own = own if isinstance(own, dict) else {}
    limits = [word[8:] for word in sorted(words) if word.startswith("timeout=")]
    # Metadata is the most deliberate of the three.
    limits += [str(own["timeout"])] if own.get("timeout") is not None else []
    return Marks(
        skips="skip-execution" in words,
        may_raise="raises-exception" in words,
        once="once" in words or own.get("once") is True,
        timeout_seconds=_seconds(limits[-1], place) if limits else None,
    )


def _comment(source: str) -> Iterator[str]:
    lines = source.lstrip("\n").split("\n", 2)
    line = lines[1] if lines[0].startswith("%%") and len(lines) > 1 else lines[0]
    found = _COMMENT.fullmatch(line.strip())
    if found is not None:
        yield from re.split(r"[\s,]+", found[1].strip())


def _seconds(text: str, place: int) -> float:
    if text.strip().lower() == "none":
        return math.inf
    number = text.strip().removesuffix("s")
    if not _NUMBER.fullmatch(number) or float(number) == 0:
        raise InvalidDeclaration(
            f"Cell {place} has the time limit {text!r}, which is no number of seconds. "
            "Write it as timeout=30, or timeout=none for no limit."
        )
    return float(number)
