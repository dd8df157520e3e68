"""Packing: the code of the run graph in little room: saved notebooks hold it."""

import gzip
import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from uuid import uuid4

from nborch.static import bundle, css
from nborch.view.graphs import Message

__all__ = ["packed", "standing", "widget_code"]

#: Unpacks a module; once in a page, for all graphs.
_LOADER = """\
const unpack = (packed) => {{
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const unpacked = new DecompressionStream("gzip");
  return new Response(new Blob([bytes]).stream().pipeThrough(unpacked)).text();
}};
const load = async () => {{
  const text = await unpack("{packed}");
  const url = URL.createObjectURL(new Blob([text], {{ type: "text/javascript" }}));
  return import(url).finally(() => URL.revokeObjectURL(url));
}};
const shared = (globalThis[Symbol.for("nborch graphs")] ??= {{}});
const {{ default: unpacked }} = await (shared["{digest}"] ??= load());
"""

_STYLED = """
const sheet = document.createElement("style");
sheet.textContent = {css};
document.head.append(sheet);
"""

_STAND = """\
unpacked.stand("{mark}", "{name}", JSON.parse(await unpack("{told}")));
"""


def packed(source: str) -> str:
    r"""Return a module with the default export of another one, a third as long.

    >>> packed("export default 42;").endswith("export default unpacked;\n")
    True
    """
    return f"{_loader(source)}export default unpacked;\n"


@cache
def widget_code() -> str:
    """Return the module of the widget, with its style."""
    return packed(_code())


def standing(
    html: str,
    name: str,
    snapshot: Message,
    details: Mapping[str, Message] | None = None,
) -> str:
    """Return a picture of a graph as HTML in whose place the graph itself stands.

    It does where its script is run: in a notebook that is trusted, in a page that was
    made of one. If a widget of that name is in the page, the graph is live.

    Parameters
    ----------
    html
        The picture, for where no script is run.
    name
        That of the widget.
    snapshot
        What the graph shows where there is no widget any more.
    details
        What is told there of single runs, by their ids.
    """
    mark = uuid4().hex
    kept = {"snapshot": snapshot, "details": details or {}}
    told = _zipped(json.dumps(kept, separators=(",", ":"), default=str))
    script = _loader(_code()) + _STAND.format(mark=mark, name=name, told=told)
    return (
        f'<div data-nborch="{mark}">{html}</div><script type="module">{script}</script>'
    )


@cache
def _code() -> str:
    # NB. The same for all: else each would be unpacked, and know nothing of the others.
    return bundle() + _STYLED.format(css=json.dumps(css()))


@cache
def _loader(source: str) -> str:
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    return _LOADER.format(packed=_zipped(source), digest=digest)


def _zipped(text: str) -> str:
    return b64encode(gzip.compress(text.encode(), mtime=0)).decode()
