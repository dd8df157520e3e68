"""The browser's side: plain ES modules and style sheets.

`bundle` joins the modules of the run graph into one text, which a widget takes with it;
`page_script` joins those of a page, so that it asks for one.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath

__all__ = ["bundle", "css", "page_script"]

_FOLDER = Path(__file__).parent
#: The module whose default export is what anywidget asks for.
ENTRY = "widget"
#: The module that begins every page.
BEGIN = "pages/main"
#: What shows each page: a module of ``pages``, and a function of it.
PAGES = {
    "runs": ("runs", "showRuns"),
    "run": ("run", "showRun"),
    "deployments": ("deployments", "showDeployments"),
    "deployment": ("deployment", "showDeployment"),
    "work-pools": ("pools", "showPools"),
    "work-pool": ("pool", "showPool"),
    "concurrency-limits": ("limits", "showLimits"),
    "cache": ("cache", "showCache"),
    "settings": ("settings", "showSettings"),
    "missing": ("login", "showMissing"),
    "login": ("login", "showLogin"),
}

_IMPORT = re.compile(r'^import\s([^;]*?)from "(\.\.?/[\w/]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default )(?:\{\};\n)?", re.MULTILINE)
_EXPORTED = re.compile(
    r"^export (?:async )?(?:const|let|class|function\*?) (\w+)", re.MULTILINE
)

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
    names = _in_order(ENTRY, set())
    return "\n".join(_stripped(_IMPORT.sub("", _source(name))) for name in names)


@cache
def page_script(page: str) -> str:
    """Return the modules of a page as one, which imports nothing.

    Each is a function of its own: two of them may use the same name.

    >>> "import " in page_script("runs")
    False
    """
    module, show = PAGES[page]
    entry = f"pages/{module}"
    seen: set[str] = set()
    names = [*_in_order(BEGIN, seen), *_in_order(entry, seen)]
    begun = f"{_variable(BEGIN)}.begin({_variable(entry)}.{show});"
    return "\n".join([*map(_enclosed, dict.fromkeys(names)), begun])


@cache
def css() -> str:
    """Return the style sheet of the run graph.

    >>> ".nborch" in css()
    True
    """
    return (_FOLDER / "nborch.css").read_text("utf-8")


@cache
def _source(name: str) -> str:
    return (_FOLDER / f"{name}.js").read_text("utf-8")


def _in_order(name: str, seen: set[str]) -> Iterator[str]:
    """Yield a module after all that it imports."""
    seen.add(name)
    for _, path in _IMPORT.findall(_source(name)):
        imported = _imported(name, path)
        if imported not in seen:
            yield from _in_order(imported, seen)
    yield name


def _imported(name: str, path: str) -> str:
    return normpath(join(dirname(name), path))


def _variable(name: str) -> str:
    return f"${name.replace('/', '$')}"


def _enclosed(name: str) -> str:
    """Return a module as a function that returns what it exports."""

    def taken(found: re.Match[str]) -> str:
        names = found[1].replace(" as ", ": ").strip()
        return f"const {names} = {_variable(_imported(name, found[2]))};\n"

    source = _source(name)
    exported = ", ".join(_EXPORTED.findall(source))
    body = _stripped(_IMPORT.sub(taken, source))
    returned = f"\nreturn {{ {exported} }};" if exported else ""
    return f"const {_variable(name)} = (() => {{\n{body}{returned}\n}})();"


def _stripped(source: str) -> str:
    for pattern, kept in ((_COMMENT, ""), (_EXPORT, ""), (_SPACE, "\n")):
        source = pattern.sub(kept, source)
    return source.strip()
