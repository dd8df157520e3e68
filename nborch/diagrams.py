"""Diagrams: boxes and arrows, and their text for Mermaid."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nborch.showing import SHADES

__all__ = ["Box", "Diagram"]


@dataclass(frozen=True, slots=True)
class Box:
    """A box of a diagram.

    Parameters
    ----------
    id
        Any text that no other box of the diagram has.
    within
        The id of the box around it, if any.
    state
        The type of a run's state, which gives the colour.
    is_flow
        Whether it stands for a flow, and is drawn as one.
    """

    id: str
    label: str
    within: str | None = None
    state: str | None = None
    is_flow: bool = False


@dataclass(frozen=True, slots=True)
class Diagram:
    """Boxes, and the arrows between them by their ids.

    >>> boxes = [Box("load-0", "load-0"), Box("clean-0", "clean-0")]
    >>> print(Diagram(boxes, [("load-0", "clean-0")]).mermaid())
    flowchart TD
        load_0["load-0"]
        clean_0["clean-0"]
        load_0 --> clean_0
    """

    boxes: Sequence[Box]
    arrows: Sequence[tuple[str, str]] = field(default_factory=tuple)

    def mermaid(self) -> str:
        """Return the diagram as Mermaid's text, which Jupyter and GitHub draw."""
        names = _names(self.boxes)
        inner: dict[str | None, list[Box]] = {}
        for box in self.boxes:
            inner.setdefault(box.within if box.within in names else None, []).append(
                box
            )
        lines = ["flowchart TD", *_nested(None, inner, names, "    ")]
        lines += [f"    {names[a]} --> {names[b]}" for a, b in self.arrows]
        lines += _classes(self.boxes, names)
        return "\n".join(lines)


def _nested(
    within: str | None,
    inner: Mapping[str | None, list[Box]],
    names: Mapping[str, str],
    indent: str,
) -> list[str]:
    """Return the lines of the boxes within another."""
    lines = []
    for box in inner.get(within, ()):
        text = f'"{_text(box.label)}"'
        if box.id in inner:
            lines.append(f"{indent}subgraph {names[box.id]} [{text}]")
            lines += _nested(box.id, inner, names, f"{indent}    ")
            lines.append(f"{indent}end")
        else:
            shape = f"[[{text}]]" if box.is_flow else f"[{text}]"
            lines.append(f"{indent}{names[box.id]}{shape}")
    return lines


def _classes(boxes: Iterable[Box], names: Mapping[str, str]) -> list[str]:
    """Return the lines that give each box the colours of its state."""
    of: dict[str, list[str]] = {}
    for box in boxes:
        if box.state:
            of.setdefault(box.state, []).append(names[box.id])
    lines = []
    for state in sorted(of):
        shade = SHADES[state]
        colours = f"fill:{shade.fill},stroke:{shade.line},color:{shade.text}"
        lines.append(f"    classDef {state.lower()} {colours}")
        lines.append(f"    class {','.join(of[state])} {state.lower()}")
    return lines


#: Words that Mermaid keeps for itself, where an id begins with one.
_KEPT = re.compile(
    r"(?i)(end|graph|flowchart|subgraph|style|linkstyle|class|classdef|click|default"
    r"|direction|call|href|interpolate)"
)


def _names(boxes: Iterable[Box]) -> dict[str, str]:
    """Return a name for each box that Mermaid takes as one word."""
    names: dict[str, str] = {}
    taken = set()
    for box in boxes:
        name = re.sub(r"[^A-Za-z0-9_]", "_", box.id)
        if _KEPT.match(name) or not name[:1].isalpha():
            name = f"n_{name}"
        while name in taken:
            name += "_"
        taken.add(name)
        names[box.id] = name
    return names


#: What Mermaid or HTML would read as more than a letter.
_SPECIAL = re.compile(
    r"""["#&<>`*~\\|$]|__"""
    # What would begin a list.
    r"|^\s*(?:\d+[.)]|[-+])(?=\s)"
    # What ends a line, or is no letter.
    r"|[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
)


def _text(label: str) -> str:
    """Return a label as Mermaid shows it letter by letter."""
    return _SPECIAL.sub(_coded, label)


def _coded(found: re.Match[str]) -> str:
    return "".join(map(_code, found[0]))


def _code(letter: str) -> str:
    if letter.isalnum():
        return letter
    return f"#{ord(letter)};" if letter.isprintable() else " "
