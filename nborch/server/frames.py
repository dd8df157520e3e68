"""Frames: executed notebooks, shown where what they do can do no harm.

The document of a frame has no origin: a browser gives it neither cookies nor the page
around it, and lets it reach nobody, not even us. What a notebook has shown may run its
scripts in there. It is shown cell by cell by `static/frame.js`, which the page around
it tells of cells that have changed.
"""

from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from nborch.server.base import Handler, JsonHandler
from nborch.server.pages import embedded
from nborch.server.problems import Problem
from nborch.server.site import Site

if TYPE_CHECKING:
    from nborch.server.notebooks import Cell, Notebook

__all__ = ["ROUTES", "CellShown", "Frame", "cells_of"]

#: Even when it is opened by itself, the document is nobody's and reaches nobody.
_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' "
    "'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "media-src data: blob:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)

_DOCUMENT = """<!doctype html>
<html lang="en" data-theme="{theme}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main id="cells"></main>
<script type="application/json" id="told">{told}</script>
<script>{script}</script>
</body>
</html>
"""


class Frame(Handler):
    """Shows an executed notebook, or one cell of it, in a document of nobody."""

    policy = _POLICY

    async def get(self, run_id: str, cell_id: str | None = None) -> None:
        """Answer with the document."""
        document = await self.do(self._document, run_id, cell_id)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(document)

    def _document(self, run_id: str, cell_id: str | None) -> str:
        notebook = self.site.watching.notebooks.get(run_id)
        cells = notebook.cells if cell_id is None else [_found(notebook, cell_id)]
        told = {
            "order": [each.id for each in cells],
            "changed": [_shown(each, notebook) for each in cells],
        }
        theme = self.get_query_argument("theme", "")
        return _DOCUMENT.format(
            theme=theme if theme in {"light", "dark"} else "",
            title=escape(f"Notebook of {run_id}"),
            style=_style(),
            told=embedded(told),
            script=self.site.assets.files["frame.js"].content.decode(),
        )


class CellShown(JsonHandler):
    """Tells a cell with its HTML, for the frame that shows it."""

    async def get(self, run_id: str, cell_id: str) -> None:
        """Answer with the cell."""
        self.answer(await self.do(self._told, run_id, cell_id))

    def _told(self, run_id: str, cell_id: str) -> dict[str, Any]:
        notebook = self.site.watching.notebooks.get(run_id)
        cell = _found(notebook, cell_id)
        return {**cell.told(), **_shown(cell, notebook)}


def cells_of(site: Site, run_id: str) -> list[dict[str, Any]]:
    """Return the cells of the executed notebook of a run, as far as it has come."""
    return [each.told() for each in site.watching.notebooks.get(run_id).cells]


def _found(notebook: "Notebook", cell_id: str) -> "Cell":
    for cell in notebook.cells:
        if cell.id == cell_id:
            return cell
    raise Problem(404, "not-found", f"The notebook has no cell {cell_id[:100]!r}.")


def _shown(cell: "Cell", notebook: "Notebook") -> dict[str, Any]:
    # The first page does not wait until it is loaded.
    from nborch.server.rendering import rendered

    told = cell.told()
    html = rendered(cell, notebook.language)
    names = ("id", "kind", "state", "version")
    return {**{name: told[name] for name in names}, "html": html}


@cache
def _style() -> str:
    """Return the style sheet of a frame, with colours for code."""
    from importlib.resources import files

    from nborch import static

    return (files(static) / "frame.css").read_text("utf-8")


ROUTES = [
    (r"/frames/runs/([^/]+)/notebook", Frame),
    (r"/frames/runs/([^/]+)/cells/([^/]+)", Frame),
    (r"/api/runs/([^/]+)/cells/([^/]+)", CellShown),
]
