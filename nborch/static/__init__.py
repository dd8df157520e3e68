"""The browser's side of the run graph: plain ES modules and a style sheet.

`bundle` joins the modules into one text, which a widget takes with it.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

__all__ = ["bundle", "css"]

#: The module whose default export is what anywidget asks for.
ENTRY = "widget"

_IMPORT = re.compile(r'^import\s[^;]*?from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default )(?:\{\};\n)?", re.MULTILINE)

#: Comments in lines of their own: they are for who reads the files.
_COMMENT = re.compile(
    r"^[ \t]*(?:/\*\*.*?\*/|//[^\n]*)[ \t]*\n", re.MULTILINE | re.DOTALL
)
#: NB. No text of the modules goes over several lines.
_SPACE = re.compile(r"\n\s*")


@cache
def bundle() -> str:
    """Return all modules as one, which imports nothing and exports a widget.

    >>> bundle().rstrip().endswith("export default { initialize, render, stand };")
    True
    """
    return "\n".join(_stripped(_source(name)) for name in _in_order(ENTRY, set()))


@cache
def css() -> str:
    """Return the style sheet of the run graph.

    >>> ".nborch" in css()
    True
    """
    return (files(__name__) / "nborch.css").read_text(encoding="utf-8")


@cache
def _source(name: str) -> str:
    return (files(__name__) / f"{name}.js").read_text(encoding="utf-8")


def _in_order(name: str, seen: set[str]) -> Iterator[str]:
    """Yield a module after all that it imports."""
    seen.add(name)
    for imported in _IMPORT.findall(_source(name)):
        if imported not in seen:
            yield from _in_order(imported, seen)
    yield name


def _stripped(source: str) -> str:
    for pattern, kept in ((_IMPORT, ""), (_COMMENT, ""), (_EXPORT, ""), (_SPACE, "\n")):
        source = pattern.sub(kept, source)
    return source.strip()
