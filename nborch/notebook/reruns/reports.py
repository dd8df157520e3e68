"""Reports: what ``%nborch`` answers, as a table that front ends show and text."""

from collections.abc import Sequence
from dataclasses import dataclass

from nborch.showing import SHADES, escaped

__all__ = ["Report", "Row"]

_FONT = (
    "font: 13px/1.5 var(--jp-ui-font-family, system-ui, sans-serif);"
    "color: var(--jp-ui-font-color1, inherit)"
)
_CELL = "text-align: left; padding: 1px 16px 1px 0; border: none; vertical-align: top"
_QUIET = "color: var(--jp-ui-font-color2, inherit); opacity: 0.85"
_CODE = "font-family: var(--jp-code-font-family, monospace); white-space: pre-wrap"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a sign, and a text for each column.

    Parameters
    ----------
    shade
        The type of a run's state, which gives the sign's colour.
    """

    sign: str
    texts: Sequence[str]
    shade: str = "PENDING"


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """A title, rows, and lines below them.

    >>> print(Report("Plan", [Row("▶", ["clean", "run"])], ["1 of 2 would run"]))
    Plan
      ▶ clean  run
    1 of 2 would run

    Parameters
    ----------
    lines
        What is said below the rows.
    code
        A text shown with its own line breaks, such as a diff.
    """

    title: str
    rows: Sequence[Row] = ()
    lines: Sequence[str] = ()
    code: str = ""

    def __str__(self) -> str:
        columns = max((len(row.texts) for row in self.rows), default=0)
        widths = [
            max((len(r.texts[n]) for r in self.rows if n < len(r.texts)), default=0)
            for n in range(columns)
        ]
        lines = [self.title] if self.title else []
        for row in self.rows:
            padded = (t.ljust(w) for t, w in zip(row.texts, widths, strict=False))
            lines.append(f"  {row.sign} {'  '.join(padded)}".rstrip())
        lines += self.lines
        if self.code:
            lines += [f"    {line}" for line in self.code.splitlines()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._html()}

    def _html(self) -> str:
        parts = [f'<div style="{_FONT}">']
        if self.title:
            parts.append(f"<div><strong>{escaped(self.title)}</strong></div>")
        if self.rows:
            rows = "".join(map(_row, self.rows))
            parts.append(f'<table style="border: none; margin: 2px 0">{rows}</table>')
        parts += [f'<div style="{_QUIET}">{escaped(line)}</div>' for line in self.lines]
        if self.code:
            parts.append(f'<pre style="{_CODE}">{escaped(self.code)}</pre>')
        return "".join([*parts, "</div>"])


def _row(row: Row) -> str:
    colour = SHADES[row.shade].line
    cells = [f'<td style="{_CELL}; color: {colour}">{escaped(row.sign)}</td>']
    cells += [f'<td style="{_CELL}">{escaped(text)}</td>' for text in row.texts]
    return f'<tr style="background: none">{"".join(cells)}</tr>'
