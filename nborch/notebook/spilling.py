"""Outputs that are too large for a document: kept in files, with a stub in their place.

A cell may show so much in the document and no more. Of a stream, the document keeps
the beginning and the end (see `.streams`); a large display becomes a file of its own;
and what a cell shows once its share is used up is written to one file, line by line.
"""

import base64
import binascii
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from nborch.showing import size

__all__ = ["Share", "Spill", "append", "encoded"]

_log = logging.getLogger("nborch.notebook")

#: Characters that are gathered before they are written to the file.
GATHERED = 1_000_000

#: A display smaller than this is not worth a file of its own.
LARGE = 1_000_000

#: Parts of a long error's traceback that the document keeps, and characters of each.
ERROR_PARTS, ERROR_LENGTH = 40, 4_000

_SUFFIXES = {
    "application/json": "json",
    "application/pdf": "pdf",
    "application/javascript": "js",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "text/html": "html",
    "text/latex": "tex",
    "text/markdown": "md",
    "text/plain": "txt",
}
_BINARY = ("image/gif", "image/jpeg", "image/png", "application/pdf")


@dataclass(frozen=True, slots=True)
class Spill:
    """Where the outputs of one run go that are too large, and what is too large.

    Parameters
    ----------
    folder
        Made when the first output is too large.
    limit
        Characters that the outputs of one cell may take in the document.
    """

    folder: Path
    limit: int = 8_000_000


class Share:
    """What one cell may show in the document.

    Parameters
    ----------
    index
        The place of the cell, counted from 0.
    """

    def __init__(self, spill: Spill, index: int) -> None:
        self._spill = spill
        self._index = index
        self._used = 0
        self._rest: Path | None = None

    @property
    def room(self) -> int:
        """How many characters more may be shown."""
        return max(0, self._spill.limit - self._used)

    def use(self, length: int) -> None:
        """Note that so many characters more stand in the document."""
        self._used += length

    def path(self, suffix: str) -> Path:
        """Return a file that is not there yet."""
        number = 0
        while True:
            more = f"-{number}" if number else ""
            name = f"cell-{self._index + 1}{more}.{suffix}"
            if not (path := self._spill.folder / name).exists():
                return path
            number += 1

    def fitted(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Return the message of an output as it may be shown; None for not at all.

        What it leaves out is in a file.
        """
        content = message["content"]
        if message["msg_type"] == "error":
            return {**message, "content": self._shortened(content)}
        data = content.get("data")
        if not data:
            return message
        if self.room > 0:
            small = self.stub(data)
        else:
            small = self._left_out({**content, "output_type": message["msg_type"]})
            if small is None:
                return None
        if small is None:
            return message
        return {**message, "content": {**content, "data": small}}

    def stub(
        self, data: Mapping[str, Any], *, anew: bool = False
    ) -> dict[str, Any] | None:
        """Return what to show in place of a display that is too large, if it is.

        Its large parts are written to files.

        Parameters
        ----------
        anew
            It takes the place of an earlier one, as a bar of progress does.
        """
        lengths = {mime: _length(value) for mime, value in data.items()}
        whole = sum(lengths.values())
        room = self._spill.limit if anew else self.room
        if whole <= room or max(lengths.values()) < LARGE:
            self.use(0 if anew else whole)
            return None
        small = {mime: data[mime] for mime in data if lengths[mime] < LARGE // 100}
        told, links = [], []
        for mime in data.keys() - small.keys():
            path = self.path(_SUFFIXES.get(mime, "dat"))
            fault = append(path, [_content(mime, data[mime])])
            what = f"{mime}, {size(lengths[mime])}"
            if fault:
                told.append(f"{what}: it could not be kept in a file: {fault}")
                links.append(escape(told[-1]))
            else:
                told.append(f"{what}: {path}")
                links.append(f"{escape(what)}: {_link(path)}")
        return _told("This output is too large for the notebook", told, links, small)

    def _left_out(self, output: dict[str, Any]) -> dict[str, Any] | None:
        """Write an output to the file of those that are not shown.

        Returns the stub for all of them when this is the first.
        """
        is_first = self._rest is None
        if self._rest is None:
            self._rest = self.path("outputs.jsonl")
        output.pop("transient", None)
        fault = append(self._rest, encoded([json.dumps(output) + "\n"]))
        if not is_first:
            return None
        what = "This cell has shown too much for the notebook"
        if fault:
            told = f"Its further outputs could not be kept in a file: {fault}"
            return _told(what, [told], [escape(told)], {})
        told = "Its further outputs, each in a line: "
        return _told(what, [f"{told}{self._rest}"], [told + _link(self._rest)], {})

    def _shortened(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return an error that the document can hold."""
        traceback = [str(part) for part in content.get("traceback") or ()]
        message = str(content.get("evalue", ""))
        if sum(map(len, traceback)) + len(message) < LARGE:
            return content
        path = self.path("error.txt")
        fault = append(path, encoded(["\n".join([message, *traceback])]))
        where = fault or f"the whole error is in {path}"
        traceback = [_ends(part, where) for part in traceback[-ERROR_PARTS:]]
        return {**content, "evalue": _ends(message, where), "traceback": traceback}


def _ends(text: str, where: str) -> str:
    """Return a text with its middle left out if it is long."""
    if len(text) <= ERROR_LENGTH:
        return text
    half = ERROR_LENGTH // 2
    return f"{text[:half]}\n... ({where}) ...\n{text[-half:]}"


def encoded(pieces: Iterable[str]) -> Iterator[bytes]:
    """Yield a text as bytes, little by little: it may be most of what memory holds."""
    for piece in pieces:
        for start in range(0, len(piece), GATHERED):
            yield piece[start : start + GATHERED].encode(errors="surrogatepass")


def append(path: Path, content: Iterable[bytes]) -> str:
    """Add to a file; return what kept it from being written, if anything."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("ab") as file:
            file.writelines(content)
    except OSError as error:
        _log.warning("Output could not be kept in %s: %s.", path, error.strerror)
        return str(error.strerror)
    return ""


def _link(path: Path) -> str:
    folder = escape(str(path.parent))
    return f'<a href="{escape(path.as_uri())}">{escape(path.name)}</a> in {folder}'


def _told(
    what: str, told: Iterable[str], links: Iterable[str], small: Mapping[str, Any]
) -> dict[str, Any]:
    text = f"{what}.\n" + "\n".join(told)
    if "text/plain" in small:
        text = f"{small['text/plain']}\n{text}"
    lines = "".join(f"<div>{line}</div>" for line in (escape(f"{what}."), *links))
    others = {m: v for m, v in small.items() if m not in {"text/plain", "text/html"}}
    return {**others, "text/plain": text, "text/html": lines}


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return sum(map(len, value))
    return len(json.dumps(value))


def _content(mime: str, value: Any) -> bytes:
    """Return the bytes of a file with this part of a display."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = "".join(value)
    if not isinstance(value, str):
        return json.dumps(value).encode()
    if mime in _BINARY:
        try:
            return base64.b64decode(value)
        except binascii.Error:
            pass
    return value.encode(errors="surrogatepass")
