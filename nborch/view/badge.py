"""The one line under a cell task that says what came of it."""

from dataclasses import dataclass
from enum import Enum
from html import escape
from typing import Any

from nborch.showing import GLYPHS, SHADES, colour, duration

__all__ = ["MIME", "Badge", "Outcome", "duration"]

#: The facts of a badge travel and are stored under this type.
MIME = "application/vnd.nborch.cell+json"

#: Small, in the page's own font and colour, light or dark.
#: NB. JupyterLab takes the page's colours out of notebooks that are not trusted, and
#: leaves the plain ones that stand before them.
_STYLE = (
    "font-size: 11px; line-height: 1.6; "
    "font-family: var(--jp-ui-font-family, system-ui, sans-serif); "
    "color: #767676; color: var(--jp-ui-font-color2, #767676)"
)


class Outcome(Enum):
    """What can come of a cell task, with a sign and a colour for it.

    The word says it all; sign and colour help who looks down a page of badges.
    """

    #: Restored without running.
    CACHED = "cached", "●", "COMPLETED"
    #: Executed and kept.
    RAN = "ran", "●", "RUNNING"
    #: Executed and not kept.
    UNCACHED = "uncached", "◌", "SCHEDULED"
    #: Being executed in the background.
    RUNNING = "running", GLYPHS["RUNNING"], "RUNNING"
    #: In the background, until another cell has made what it reads.
    WAITING = "waiting", GLYPHS["PENDING"], "PENDING"
    #: Raised an error.
    FAILED = "failed", GLYPHS["FAILED"], "FAILED"
    #: Its process ended before it did.
    CRASHED = "crashed", GLYPHS["CRASHED"], "CRASHED"
    #: Ended by the user.
    CANCELLED = "cancelled", GLYPHS["CANCELLED"], "CANCELLED"

    def __init__(self, word: str, sign: str, state: str) -> None:
        self.word = word
        self.sign = sign
        self.style = f"color: {SHADES[state].line}; color: {colour(state)}"

    @classmethod
    def of(cls, word: str) -> "Outcome":
        """Return the outcome with a name.

        >>> Outcome.of("cached").sign
        '●'
        """
        return next(outcome for outcome in cls if outcome.word == word)


@dataclass(frozen=True, slots=True)
class Badge:
    """What came of a cell task.

    >>> print(Badge("clean", "cached", 0.003, saved_seconds=4.1))
    cached · 3 ms instead of 4.1 s

    Parameters
    ----------
    outcome
        The word of an `Outcome`. For ``uncached`` the reason tells why it was not kept,
        for ``ran`` what has changed since the last run.
    seconds
        How long it took, or has been running; 0 if that is not to be told.
    """

    task: str
    outcome: str
    seconds: float
    saved_seconds: float | None = None
    reason: str | None = None

    def __str__(self) -> str:
        parts = [self.outcome]
        if self.seconds:
            parts.append(duration(self.seconds))
        if self.saved_seconds is not None and self.saved_seconds > self.seconds:
            parts[-1] += f" instead of {duration(self.saved_seconds)}"
        if self.reason:
            parts.append(self.reason)
        return " · ".join(parts)

    def bundle(self) -> dict[str, Any]:
        """Return the badge in the forms that front ends show."""
        outcome = Outcome.of(self.outcome)
        sign = f'<span style="{outcome.style}" aria-hidden="true">{outcome.sign}</span>'
        facts = {
            "task": self.task,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 6),
            "saved_seconds": self.saved_seconds,
            "reason": self.reason,
        }
        return {
            "text/plain": str(self),
            "text/html": f'<div style="{_STYLE}">{sign} {escape(str(self))}</div>',
            MIME: facts,
        }
