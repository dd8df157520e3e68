"""What a cell shows, recorded while it is shown, and shown again later."""

import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from copy import copy
from typing import Any

__all__ = ["Recording", "record", "replay"]

#: Characters of printed text that are kept of one cell.
MOST_TEXT = 10_000_000
#: Outputs whose front end needs a live object in the kernel cannot be shown again.
LIVE = "application/vnd.jupyter.widget-view+json"
#: An output that is none of the cell's own: new content for an earlier cell's display.
UPDATE = "update_display_data"

Output = dict[str, Any]


class Recording:
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
    live
        Whether an output needs an object of this very kernel.
    """

    def __init__(self) -> None:
        self._outputs: list[Output] = []
        self._texts: list[str] = []
        self._characters = 0
        self._clears = False
        self._by_display_id: dict[str, Output] = {}
        # Threads print while the cell displays.
        self._lock = threading.RLock()
        self.result: Any = None
        self.live = False

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
        if not self._texts or last is None or last.get("name") != name:
            self._close_text()
            self._outputs.append({"output_type": "stream", "name": name, "text": ""})
        room = MOST_TEXT - self._characters
        if room > 0:
            cut = f"{text[:room]}\n[nborch: further text was not kept]\n"
            self._texts.append(text if len(text) <= room else cut)
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
        self.live |= LIVE in data
        looks = {"data": dict(data), "metadata": dict(metadata or {})}
        output: Output = {"output_type": "display_data", **looks}
        with self._lock:
            if display_id is not None:
                output["display_id"] = display_id
            if not update:
                self._append(output)
            elif display_id in self._by_display_id:
                self._by_display_id[display_id].update(looks)
                return
            else:
                # The display is another cell's, above this one.
                self._append(output | {"output_type": UPDATE})
                return
            if display_id is not None:
                self._by_display_id[display_id] = output

    def add_result(self, data: dict[str, Any], metadata: dict[str, Any] | None) -> None:
        """Take the value of the cell's last expression."""
        self.live |= LIVE in data
        output = {
            "output_type": "execute_result",
            "data": dict(data),
            "metadata": dict(metadata or {}),
        }
        with self._lock:
            self._append(output)

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

    def _append(self, output: Output) -> None:
        self._clear_if_due()
        self._close_text()
        self._outputs.append(output)

    def _clear_if_due(self) -> None:
        if self._clears:
            self._clears = False
            self.clear(wait=False)

    def _close_text(self) -> None:
        """Join the pieces of the text that came last."""
        if self._texts:
            self._outputs[-1]["text"] = "".join(self._texts)
            self._texts = []


@contextmanager
def record(shell: Any) -> Iterator[Recording]:
    """Record what is shown through `shell` and printed, while it is shown as usual.

    Parameters
    ----------
    shell
        The IPython shell; a kernel's or a terminal's.
    """
    recording = Recording()
    with ExitStack() as stack:
        shows_result = [False]
        for name in ("stdout", "stderr"):
            stack.enter_context(_tee(recording, name, shows_result))
        stack.enter_context(_displays(recording, shell.display_pub))
        stack.enter_context(_results(recording, shell.displayhook, shows_result))
        yield recording
        flush_figures()
        sys.stdout.flush()
        sys.stderr.flush()


def flush_figures() -> None:
    """Show the figures that matplotlib would show when the cell has ended."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is not None:
        inline.flush_figures()


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an object another method for a while."""
    own = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


def _tee(
    recording: Recording, name: str, shows_result: list[bool]
) -> AbstractContextManager[None]:
    """Record what is written to a standard stream."""
    stream = getattr(sys, name)
    write = stream.write

    # NB. The method of the very object is replaced, not sys.stdout: threads, logging
    # handlers and the kernel's own reader of file descriptor 1 hold the object.
    def write_and_record(text: str) -> Any:
        if not shows_result[0]:
            recording.add_text(name, text)
        return write(text)

    return _replaced(stream, "write", write_and_record)


@contextmanager
def _displays(recording: Recording, publisher: Any) -> Iterator[None]:
    """Record what is displayed."""
    publish, clear = publisher.publish, publisher.clear_output

    def publish_and_record(data: Any, metadata: Any = None, **kwargs: Any) -> Any:
        display_id = (kwargs.get("transient") or {}).get("display_id")
        update = bool(kwargs.get("update"))
        recording.add_display(data, metadata, display_id, update=update)
        return publish(data, metadata, **kwargs)

    def clear_and_record(wait: bool = False) -> Any:  # noqa: FBT001, FBT002  # IPython's
        recording.clear(wait=wait)
        return clear(wait)

    with (
        _replaced(publisher, "publish", publish_and_record),
        _replaced(publisher, "clear_output", clear_and_record),
    ):
        yield


@contextmanager
def _results(
    recording: Recording, hook: Any, shows_result: list[bool]
) -> Iterator[None]:
    """Record the value of the last expression."""
    looks = hook.compute_format_data
    write = hook.write_format_data
    prompt = hook.write_output_prompt

    def note_and_look(value: Any) -> Any:
        recording.result = value
        return looks(value)

    def write_and_record(format_dict: Any, md_dict: Any = None) -> Any:
        recording.add_result(format_dict, md_dict)
        # In a terminal the result goes through stdout, where it is no print.
        shows_result[0] = True
        try:
            return write(format_dict, md_dict)
        finally:
            shows_result[0] = False

    def prompt_unrecorded() -> Any:
        shows_result[0] = True
        try:
            return prompt()
        finally:
            shows_result[0] = False

    with (
        _replaced(hook, "compute_format_data", note_and_look),
        _replaced(hook, "write_format_data", write_and_record),
        _replaced(hook, "write_output_prompt", prompt_unrecorded),
    ):
        yield


def replay(shell: Any, outputs: list[Output], result: Any = None) -> None:
    """Show recorded outputs again, the value of the last expression included.

    Parameters
    ----------
    result
        The value itself, so that ``Out[n]`` and ``_`` have it; if it is not at hand
        they get an object that looks the same.
    """
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            stream = getattr(sys, output["name"])
            stream.write(output["text"])
            stream.flush()
        elif kind in {"display_data", UPDATE}:
            # NB. With the id it had: a handle that the cell made, or a later cell that
            # knows the id, updates this very display.
            known = {k: v for k, v in output.items() if k == "display_id"}
            shell.display_pub.publish(
                copy(output["data"]),
                copy(output["metadata"]),
                transient=known,
                update=kind == UPDATE,
            )
        else:
            _replay_result(shell, output, result)


def _replay_result(shell: Any, output: Output, result: Any) -> None:
    """Send the stored looks of a value through the display hook."""
    hook = shell.displayhook
    value = Shown(output["data"], output["metadata"]) if result is None else result
    looks = (copy(output["data"]), copy(output["metadata"]))
    with _replaced(hook, "compute_format_data", lambda _value: looks):
        hook(value)


class Shown:
    """Stands for a value of an earlier run in ``Out``: it looks the same."""

    def __init__(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        self._bundle = (data, metadata)

    def _repr_mimebundle_(self, **_options: Any) -> Any:
        return self._bundle

    def __repr__(self) -> str:
        return str(self._bundle[0].get("text/plain", "<shown earlier>"))
