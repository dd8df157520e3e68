"""File a kernel's messages into the cells that they belong to."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from nborch.notebook.spilling import Share, Spill
from nborch.notebook.streams import Stream
from nborch.secrets import redacted

__all__ = ["EVENT_METADATA", "EVENT_MIME", "file_outputs"]

#: Displayed data of this kind is a message to the runner, and no output.
EVENT_MIME = "application/vnd.nborch.event+json"
#: And so is what stands under this name in the metadata of a display.
EVENT_METADATA = "nborch_event"

# Ten notices a second: enough for a reader, and a flood of prints costs no more.
_NOTICE_SECONDS = 0.1


def file_outputs(
    nb: Any,
    *,
    on_event: Callable[[int, dict[str, Any]], None],
    on_change: Callable[[int], None],
    spill: Spill | None = None,
) -> Any:
    """Return an nbclient that files messages into the notebook's cells.

    >>> filing = file_outputs(nb, on_event=print, on_change=print)  # doctest: +SKIP
    >>> over = filing.take(message, index=3)                        # doctest: +SKIP

    nbclient's handling of displays and their updates, of ``clear_output``, widgets and
    timings is kept. Added to it: consecutive pieces of a stream become one output, a
    late output reaches the cell that caused it, and events of ours become calls.

    Parameters
    ----------
    on_event
        Called with a cell's index and the payload of an event sent from within it.
    on_change
        Called with a cell's index after its outputs changed, now and then.
    spill
        Where outputs go that are too large for the notebook, if any are.
    """
    return _filing_class()(nb, on_event, on_change, spill)


@functools.cache
def _filing_class() -> Any:  # noqa: C901 - simple methods, counted as one
    # NB. A class of a function's own, because importing nbclient costs more than
    # everything else that the command line needs together.
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionComplete
    from nbformat.validator import NotebookValidationError

    class Filing(NotebookClient):  # type: ignore[misc]
        """The outputs of one notebook, as messages arrive."""

        def __init__(
            self, nb: Any, on_event: Any, on_change: Any, spill: Spill | None
        ) -> None:
            super().__init__(nb)
            self._on_event = on_event
            self._on_change = on_change
            self._spill = spill
            self._streams: dict[int, Stream] = {}
            self._shares: dict[int, Share] = {}
            self._clear_later: set[int] = set()
            self._changed: set[int] = set()
            self._notice: asyncio.TimerHandle | None = None
            #: How many messages have been taken in.
            self.received = 0
            #: Fails when a callback failed while nobody was waiting for it.
            self.trouble: asyncio.Future[None] = (
                asyncio.get_running_loop().create_future()
            )

        def take(self, message: dict[str, Any], index: int) -> bool:
            """Take in one message; return whether it says that the cell is over."""
            message = {**message, "content": redacted(message["content"])}
            # nbclient has one flag for the running cell; late outputs need one each.
            self.clear_before_next_output = index in self._clear_later
            over = False
            try:
                self.process_message(message, self.nb.cells[index], index)
            except CellExecutionComplete:
                over = True
            if self.clear_before_next_output:
                self._clear_later.add(index)
            else:
                self._clear_later.discard(index)
            return over

        def mark(self, index: int) -> None:
            """Remember that a cell has changed and tell of it soon."""
            self._changed.add(index)
            if self._notice is None:
                loop = asyncio.get_running_loop()
                self._notice = loop.call_later(_NOTICE_SECONDS, self._tell_later)

        def tell(self) -> None:
            """Tell of the cells that have changed, now."""
            self.hush()
            changed, self._changed = sorted(self._changed), set()
            for index in changed:
                self.settle(index)
                self._on_change(index)

        def hush(self) -> None:
            """Forget a notice that is due."""
            if self._notice is not None:
                self._notice.cancel()
                self._notice = None

        def settle(self, index: int) -> None:
            """Join the pieces of a stream that have arrived so far."""
            if index in self._streams:
                self._streams[index].settle()

        def process_message(
            self, msg: dict[str, Any], cell: Any, cell_index: int
        ) -> Any:
            if msg["msg_type"] in {"display_data", "update_display_data"}:
                payload = msg["content"].get("data", {}).get(EVENT_MIME)
                if payload is not None:
                    self._on_event(cell_index, payload)
                    return None
                # A display may bring an event along, which is none of the document's.
                brought = msg["content"].get("metadata", {}).pop(EVENT_METADATA, None)
                if brought is not None:
                    self._on_event(cell_index, brought)
            return super().process_message(msg, cell, cell_index)

        def output(
            self, outs: list[Any], msg: dict[str, Any], display_id: Any, cell_index: int
        ) -> Any:
            # An output widget takes over what is shown inside of it.
            if self.output_hook_stack.get(msg["parent_header"].get("msg_id")):
                return super().output(outs, msg, display_id, cell_index)
            self.mark(cell_index)
            if self.clear_before_next_output:
                self._forget(cell_index)
            is_stream = msg["msg_type"] == "stream"
            if is_stream and (joined := self._continued(outs, msg, cell_index)):
                return joined
            self.settle(cell_index)
            share = self._share(cell_index)
            if share is not None and not is_stream:
                shown = share.fitted(msg)
                if shown is None:
                    return None
                msg = shown
            try:
                out = super().output(outs, msg, display_id, cell_index)
            except NotebookValidationError as error:
                out = _refused(error)
                outs.append(out)
            if is_stream and out is not None:
                self._begin_stream(out, share, cell_index)
            return out

        def clear_output(
            self, outs: list[Any], msg: dict[str, Any], cell_index: int
        ) -> None:
            self.settle(cell_index)
            self.mark(cell_index)
            if not msg["content"].get("wait"):
                self._forget(cell_index)
            super().clear_output(outs, msg, cell_index)

        def _forget(self, index: int) -> None:
            """Begin anew with a cell whose outputs are cleared."""
            self._shares.pop(index, None)
            self._streams.pop(index, None)

        def _share(self, index: int) -> Share | None:
            if self._spill is None:
                return None
            return self._shares.setdefault(index, Share(self._spill, index))

        def _begin_stream(self, output: Any, share: Share | None, index: int) -> None:
            before = self._streams.get(index)
            if share is not None and before is not None:
                share.use(len(before))
            self._streams[index] = Stream(output, share)

        def _continued(self, outs: list[Any], msg: dict[str, Any], index: int) -> Any:
            """Return the output that a piece of a stream was added to, if to any."""
            stream, content = self._streams.get(index), msg["content"]
            if stream is None:
                return None
            last = outs[-1] if outs else None
            follows = stream.output is last and last.name == content["name"]
            # What is kept in a file stands there as it came.
            if not (follows or stream.is_spilled):
                return None
            stream.add(content["text"])
            return stream.output

        def _update_display_id(self, display_id: str, msg: dict[str, Any]) -> None:
            data = msg["content"].get("data", {})
            for index in self._display_id_map.get(display_id, {}):
                share = self._share(index)
                small = share.stub(data, anew=True) if share is not None else None
                if small is not None:
                    msg = {**msg, "content": {**msg["content"], "data": small}}
                    break
            super()._update_display_id(display_id, msg)
            for index in self._display_id_map.get(display_id, {}):
                self.mark(index)

        def _tell_later(self) -> None:
            try:
                self.tell()
            except Exception as error:  # noqa: BLE001 - raised again where we wait
                if not self.trouble.done():
                    self.trouble.set_exception(error)

    return Filing


def _refused(error: Any) -> Any:
    """Return what to show in place of an output that no notebook can hold."""
    from nbformat.v4 import new_output

    place = "".join(f"[{step!r}]" for step in error.relative_path)
    told = (
        f"The cell shows what no notebook can hold: output{place} is "
        f"{error.instance!r:.200}. Show a text there, or a picture as base64."
    )
    name = "InvalidOutput"
    return new_output("error", ename=name, evalue=told, traceback=[f"{name}: {told}"])
