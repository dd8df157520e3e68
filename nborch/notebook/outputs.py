"""File a kernel's messages into the cells that they belong to."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

__all__ = ["EVENT_MIME", "file_outputs"]

#: Displayed data of this kind is a message to the runner, and no output.
EVENT_MIME = "application/vnd.nborch.event+json"

# Ten notices a second: enough for a reader, and a flood of prints costs no more.
_NOTICE_SECONDS = 0.1


def file_outputs(
    nb: Any,
    *,
    on_event: Callable[[int, dict[str, Any]], None],
    on_change: Callable[[int], None],
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
    """
    return _filing_class()(nb, on_event, on_change)


@functools.cache
def _filing_class() -> Any:  # noqa: C901 - simple methods, counted as one
    # NB. A class of a function's own, because importing nbclient costs more than
    # everything else that the command line needs together.
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionComplete

    class Filing(NotebookClient):  # type: ignore[misc]
        """The outputs of one notebook, as messages arrive."""

        def __init__(self, nb: Any, on_event: Any, on_change: Any) -> None:
            super().__init__(nb)
            self._on_event = on_event
            self._on_change = on_change
            self._streams: dict[int, tuple[Any, list[str]]] = {}
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
            last, pieces = self._streams.get(index, (None, []))
            if last is not None and len(pieces) > 1:
                last.text = "".join(pieces)
                pieces[:] = [last.text]

        def process_message(
            self, msg: dict[str, Any], cell: Any, cell_index: int
        ) -> Any:
            if msg["msg_type"] in {"display_data", "update_display_data"}:
                payload = msg["content"].get("data", {}).get(EVENT_MIME)
                if payload is not None:
                    self._on_event(cell_index, payload)
                    return None
            return super().process_message(msg, cell, cell_index)

        def output(
            self, outs: list[Any], msg: dict[str, Any], display_id: Any, cell_index: int
        ) -> Any:
            # An output widget takes over what is shown inside of it.
            hooked = self.output_hook_stack.get(msg["parent_header"].get("msg_id"))
            if not hooked:
                self.mark(cell_index)
                if msg["msg_type"] == "stream" and not self.clear_before_next_output:
                    joined = self._continue_stream(outs, msg["content"], cell_index)
                    if joined is not None:
                        return joined
            self.settle(cell_index)
            return super().output(outs, msg, display_id, cell_index)

        def clear_output(
            self, outs: list[Any], msg: dict[str, Any], cell_index: int
        ) -> None:
            self.settle(cell_index)
            self.mark(cell_index)
            super().clear_output(outs, msg, cell_index)

        def _continue_stream(
            self, outs: list[Any], content: dict[str, Any], index: int
        ) -> Any:
            last = outs[-1] if outs else None
            if last is None or last.output_type != "stream":
                return None
            if last.name != content["name"]:
                return None
            kept, pieces = self._streams.get(index, (None, []))
            if kept is not last:
                pieces = [last.text]
                self._streams[index] = (last, pieces)
            # Joined later: a million prints would copy their text a million times.
            pieces.append(content["text"])
            return last

        def _update_display_id(self, display_id: str, msg: dict[str, Any]) -> None:
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
