"""The one line under a cell task that says what came of it."""

from dataclasses import dataclass
from html import escape
from typing import Any

from nborch.showing import duration

__all__ = ["MIME", "Badge", "duration"]

#: The facts of a badge travel and are stored under this type.
MIME = "application/vnd.nborch.cell+json"

_COLOURS = {"cached": "#2e7d32", "ran": "#1565c0", "uncached": "#8d6e00"}


@dataclass(frozen=True, slots=True)
class Badge:
    """What came of a cell task.

    >>> print(Badge("clean", "cached", 0.003, saved_seconds=4.1))
    cached · 3 ms instead of 4.1 s

    Parameters
    ----------
    outcome
        ``cached``: restored. ``ran``: executed and kept. ``uncached``: executed, and
        the reason tells why it was not kept.
    """

    task: str
    outcome: str
    seconds: float
    saved_seconds: float | None = None
    reason: str | None = None

    def __str__(self) -> str:
        parts = [self.outcome, duration(self.seconds)]
        if self.saved_seconds is not None and self.saved_seconds > self.seconds:
            parts[1] += f" instead of {duration(self.saved_seconds)}"
        if self.reason:
            parts.append(self.reason)
        return " · ".join(parts)

    def bundle(self) -> dict[str, Any]:
        """Return the badge in the forms that front ends show."""
        colour = _COLOURS[self.outcome]
        style = (
            "font: 11px/1.6 var(--jp-ui-font-family, system-ui, sans-serif);"
            "color: var(--jp-ui-font-color2, #666)"
        )
        dot = f'<span style="color: {colour}" aria-hidden="true">●</span>'
        facts = {
            "task": self.task,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 6),
            "saved_seconds": self.saved_seconds,
            "reason": self.reason,
        }
        return {
            "text/plain": str(self),
            "text/html": f'<div style="{style}">{dot} {escape(str(self))}</div>',
            MIME: facts,
        }
