"""Quiet lines under a cell that tell what it is waiting for or what it lacks."""

from dataclasses import dataclass
from html import escape

__all__ = ["Notice"]

_STYLE = (
    "font: 11px/1.6 var(--jp-ui-font-family, system-ui, sans-serif);"
    "color: var(--jp-ui-font-color2, #666)"
)


@dataclass(frozen=True, slots=True)
class Notice:
    """One line, shown as small as a badge.

    >>> print(Notice("attempt 1 of 3 failed", "again in 30 s"))
    attempt 1 of 3 failed · again in 30 s
    """

    what: str
    more: str = ""

    def __str__(self) -> str:
        return " · ".join(filter(None, (self.what, self.more)))

    def bundle(self) -> dict[str, str]:
        """Return the line in the forms that front ends show."""
        dot = '<span style="color: #8d6e00" aria-hidden="true">○</span>'
        return {
            "text/plain": str(self),
            "text/html": f'<div style="{_STYLE}">{dot} {escape(str(self))}</div>',
        }
