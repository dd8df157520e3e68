"""Streams of a cell as they grow: pieces joined, and long ones kept in files."""

from collections import deque
from pathlib import Path
from typing import Any

from nborch.notebook.spilling import GATHERED, Share, append, encoded
from nborch.showing import size

__all__ = ["Stream"]

#: Characters of a long stream that the document keeps, at either end.
ENDS = 100_000


class Stream:
    """One output of a stream as it grows: whole, or its beginning and its end.

    Parameters
    ----------
    output
        The output in the document, whose text is set by `settle`.
    share
        What the cell may show; everything if not given.
    """

    def __init__(self, output: Any, share: "Share | None" = None) -> None:
        self.output = output
        self._share = share
        self._room = share.room if share is not None else 0
        self._path: Path | None = None
        self._pieces: deque[str] = deque()
        self._length = 0
        self._unwritten: list[str] = []
        self._waiting = 0
        self._head = ""
        self._written = 0
        self._fault = ""
        self.add(output.text)

    def __len__(self) -> int:
        """Return how many characters stand in the document, about."""
        return len(self._head) + self._length

    @property
    def is_spilled(self) -> bool:
        """Whether it is kept in a file."""
        return self._path is not None

    def add(self, text: str) -> None:
        """Add a piece at the end."""
        self._pieces.append(text)
        self._length += len(text)
        if self.is_spilled:
            self._note(text)
            self._shorten()
        elif self._share is not None and self._length > self._room:
            self._begin_file(self._share)

    def settle(self) -> None:
        """Join the pieces that have arrived so far, and write the file so far."""
        if not self.is_spilled:
            if len(self._pieces) > 1 or self.output.text is not self._pieces[0]:
                # Joined now and then: with each of a million prints the text would
                # be copied a million times.
                self.output.text = "".join(self._pieces)
                self._pieces = deque([self.output.text])
            return
        self._write()
        tail = "".join(self._pieces)[-ENDS:]
        # The tail begins with a whole line, if it has several.
        cut = tail.find("\n") + 1 if len(tail) == ENDS else 0
        shown = self._head + self._gap(len(tail) - cut) + tail[cut:]
        if shown != self.output.text:
            self.output.text = shown

    def _begin_file(self, share: Share) -> None:
        self._path = share.path(f"{self.output.name}.txt")
        whole = "".join(self._pieces)
        ends = min(ENDS, self._room // 2)
        cut = whole.rfind("\n", 0, ends) + 1 or ends
        self._head, tail = whole[:cut], whole[max(cut, len(whole) - ENDS) :]
        self._pieces, self._length = deque([tail]), len(tail)
        # The document must not hold on to all of it.
        self.output.text = self._head
        self._note(whole)

    def _note(self, text: str) -> None:
        self._unwritten.append(text)
        self._waiting += len(text)
        if self._waiting > GATHERED:
            self._write()

    def _write(self) -> None:
        if not self._unwritten:
            return
        self._written += self._waiting
        if self._path is not None and not self._fault:
            self._fault = append(self._path, encoded(self._unwritten))
        self._unwritten, self._waiting = [], 0

    def _shorten(self) -> None:
        """Let go of pieces that no longer belong to the end."""
        while self._length - len(self._pieces[0]) >= ENDS:
            self._length -= len(self._pieces.popleft())
        if self._length > 20 * ENDS:
            text = "".join(self._pieces)[-ENDS:]
            self._pieces, self._length = deque([text]), len(text)

    def _gap(self, tail: int) -> str:
        left_out = size(max(0, self._written - len(self._head) - tail))
        where = f"The whole output is in {self._path}"
        if self._fault:
            where = f"They could not be kept in a file: {self._fault}"
        line_break = "" if self._head.endswith("\n") else "\n"
        return f"{line_break}... {left_out} are not shown here. {where} ...\n"
