"""Assets: the browser's modules and style sheets, as they stand in the package."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from nborch import static

__all__ = ["Asset", "Assets"]

_KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A file for the browser, and what it is."""

    kind: str
    content: bytes


class Assets:
    """The files of `nborch.static` by name, such as ``pages/runs.js``.

    Their addresses have a digest of all of them, so that a browser may keep each for
    ever and never mixes two versions.

    >>> Assets().address("graph.js").startswith("static/")
    True
    """

    @cached_property
    def files(self) -> dict[str, Asset]:
        """All of them, read once: no name of a request ever reaches the disk."""
        folder = Path(static.__file__).parent
        paths = (p for p in sorted(folder.rglob("*")) if p.suffix in _KINDS)
        return {
            path.relative_to(folder).as_posix(): Asset(
                _KINDS[path.suffix], path.read_bytes()
            )
            for path in paths
        }

    def get(self, name: str) -> Asset | None:
        """Return a file, or the script of a page, by its name."""
        folder, _, page = name.removesuffix(".js").rpartition("/")
        if folder == "page" and page in static.PAGES:
            # NB. Joined when it is asked for: the first page does not wait for it.
            return Asset(_KINDS[".js"], static.page_script(page).encode())
        return self.files.get(name)

    @cached_property
    def digest(self) -> str:
        """What stands for this version of all of them."""
        digest = hashlib.sha256()
        for name, asset in self.files.items():
            digest.update(f"{name}\n{len(asset.content)}\n".encode())
            digest.update(asset.content)
        return digest.hexdigest()[:16]

    def address(self, name: str) -> str:
        """Return the address of a file, below the base of all addresses."""
        return f"static/{self.digest}/{name}"
