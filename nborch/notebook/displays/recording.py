"""What a cell shows, recorded while it is shown."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from nborch.notebook.displays.posting import send_prints
from nborch.notebook.displays.tapping import Taker, tapped
from nborch.notebook.effects.lingering import Running

__all__ = ["Recording", "record"]

#: Characters of printed text that are kept of one cell.
MOST_TEXT = 10_000_000
#: Displays that are kept of one cell, and the characters of all of them together.
MOST_DISPLAYS = 10_000
MOST_DATA = 200_000_000
#: Outputs whose front end needs a live object in the kernel cannot be shown again.
LIVE = "application/vnd.jupyter.widget-view+json"
#: An output that is none of the cell's own: new content for an earlier cell's display.
UPDATE = "update_display_data"

Output = dict[str, Any]


class Recording(Taker):
    r"""The outputs of a cell as a notebook stores them, in order.

    >>> recording = Recording()
    >>> recording.add_text("stdout", "load")
    >>> recording.add_text("stdout", "ed\n")
    >>> recording.outputs
    [{'output_type': 'stream', 'name': 'stdout', 'text': 'loaded\n'}]

    Attributes
    ----------
    result
        The value of the last expression, if it was shown.
    obstacle
        Why what was shown cannot be shown again, if so.
    """

    def __init__(self) -> None:
        self._outputs: list[Output] = []
        self._text = StringIO()
        self._characters = 0
        self._data = 0
        self._clears = False
        self._by_display_id: dict[str, Output] = {}
        # Threads print while the cell displays.
        self._lock = threading.RLock()
        self.result: Any = None
        self.obstacle: str | None = None

    @property
    def outputs(self) -> list[Output]:
        """The outputs so far."""
        with self._lock:
            self._close_text()
            return self._outputs

    def add_text(self, name: str, text: str) -> None:
        """Take text printed on ``stdout`` or ``stderr``."""
        if text:
            with self._lock:
                self._add_text(name, text)

    def _add_text(self, name: str, text: str) -> None:
        self._clear_if_due()
        last = self._outputs[-1] if self._outputs else None
        if not self._text.tell() or last is None or last.get("name") != name:
            self._close_text()
            self._outputs.append({"output_type": "stream", "name": name, "text": ""})
        room = MOST_TEXT - self._characters
        if len(text) <= room:
            self._text.write(text)
        elif room >= 0:
            self._text.write(f"{text[:room]}\n[nborch: further text was not kept]\n")
        self._characters += len(text)

    def add_display(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None,
        display_id: str | None,
        *,
        update: bool,
    ) -> None:
        """Take a display, or the new content of an earlier one."""
        looks = {"data": dict(data), "metadata": dict(metadata or {})}
        output: Output = {"output_type": "display_data", **looks}
        with self._lock:
            self._check(data)
            if display_id is not None:
                output["display_id"] = display_id
            if update:
                self._update(output, looks, display_id)
                return
            self._append(output)
            if display_id is not None:
                # All displays with one id show the same: what came last.
                if display_id in self._by_display_id:
                    self._by_display_id[display_id].update(looks)
                self._by_display_id[display_id] = output

    def _update(self, output: Output, looks: Output, display_id: str | None) -> None:
        if display_id in self._by_display_id:
            self._by_display_id[display_id].update(looks)
        else:
            # The display is another cell's, above this one.
            self._append(output | {"output_type": UPDATE})

    def add_result(self, data: dict[str, Any], metadata: dict[str, Any] | None) -> None:
        """Take the value of the cell's last expression."""
        output = {
            "output_type": "execute_result",
            "data": dict(data),
            "metadata": dict(metadata or {}),
        }
        with self._lock:
            self._check(data)
            self._append(output)

    def add_value(self, value: Any) -> None:
        """Take the object that the next result shows."""
        self.result = value

    def clear(self, *, wait: bool) -> None:
        """Forget what was shown, at once or before the next output."""
        with self._lock:
            if wait:
                self._clears = True
            else:
                self._close_text()
                # What was done to other cells' displays is not cleared by this one.
                self._outputs = [o for o in self._outputs if o["output_type"] == UPDATE]
                self._by_display_id.clear()
                self._characters = self._data = 0
                self._clears = False

    def refuse(self, reason: str) -> None:
        """Take note of what cannot be shown again."""
        self.obstacle = self.obstacle or reason

    def _check(self, data: dict[str, Any]) -> None:
        if LIVE in data:
            self.obstacle = "shows a widget, which lives in the kernel"
        self._data += sum(len(v) for v in data.values() if isinstance(v, str | bytes))
        if self._data > MOST_DATA or len(self._outputs) > MOST_DISPLAYS:
            self.refuse("shows more than can be kept")
            self._outputs = []

    def _append(self, output: Output) -> None:
        self._clear_if_due()
        self._close_text()
        self._outputs.append(output)

    def _clear_if_due(self) -> None:
        if self._clears:
            self.clear(wait=False)

    def _close_text(self) -> None:
        """Join the pieces of the text that came last."""
        if self._text.tell():
            self._outputs[-1]["text"] += self._text.getvalue()
            self._text = StringIO()


@contextmanager
def record(shell: Any) -> Iterator[Recording]:
    """Record what is shown through `shell` and printed, while it is shown as usual.

    Recordings of cells that run at the same time, in threads of their own, do not mix.

    Parameters
    ----------
    shell
        The IPython shell; a kernel's or a terminal's.
    """
    recording = Recording()
    with tapped(shell, recording):
        before = Running.now()
        yield recording
        if left := before.left(shell.user_ns):
            recording.refuse(left)
        flush_figures()
        send_prints()


def flush_figures() -> None:
    """Show the figures that matplotlib would show when the cell has ended."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is not None:
        inline.flush_figures()
