"""What worker processes print, passed on to our own output."""

import codecs
import os
import sys
from collections.abc import Callable

__all__ = ["Output"]

#: Characters of an unfinished line that are worth waiting for its end.
LINE = 64 * 1024
#: Bytes of a pipe that are read at once: all that it can hold.
PIPE = 1024 * 1024


class Output:
    """What one worker prints, passed on whole lines at a time.

    Parameters
    ----------
    end
        Descriptor of a pipe that does not block.
    name
        Where it goes: ``"stdout"`` or ``"stderr"``.
    """

    def __init__(self, end: int, name: str) -> None:
        self._end = end
        self._name = name
        self._decode: Callable[[bytes], str]
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._line = ""

    def read(self) -> bool:
        """Pass on what has come; tell whether more can come."""
        try:
            data = os.read(self._end, PIPE)
        except BlockingIOError:
            return True
        text = self._line + self._decode(data)
        whole = max(text.rfind("\n"), text.rfind("\r")) + 1
        if len(text) - whole > LINE:
            whole = len(text)
        self._line = text[whole:]
        self._write(text[:whole])
        return bool(data)

    def flush(self) -> None:
        """Pass on the beginning of a line too."""
        text, self._line = self._line, ""
        self._write(text)

    def _write(self, text: str) -> None:
        # Looked up now: in a notebook it leads to the cell that runs at present.
        stream = getattr(sys, self._name, None)
        if not text or stream is None:
            return
        try:
            stream.write(text)
        except UnicodeEncodeError as error:
            known = text.encode(error.encoding, "backslashreplace")
            stream.write(known.decode(error.encoding))
        except (OSError, ValueError):
            # Nobody reads it any more; the run goes on all the same.
            self._name = "__nowhere__"
