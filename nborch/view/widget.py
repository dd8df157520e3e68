"""The run graph as a Jupyter widget: what changes travels to all browsers that show it.

Importing it imports anywidget and ipywidgets, so it is imported by who shows a graph.
"""

import threading
from collections.abc import Callable
from typing import Any, Protocol
from uuid import uuid4

import anywidget
import traitlets

from nborch.view.graphs import Message
from nborch.view.packing import standing, widget_code
from nborch.view.standalone import details_of

__all__ = ["RunGraph", "Source"]

#: The type of a widget's view among the forms of an output.
VIEW_MIME = "application/vnd.jupyter.widget-view+json"

#: Does what a button asks for; may return what is to be told of it.
Act = Callable[[str], str | None]


class Source(Protocol):
    """What a graph shows."""

    def snapshot(self) -> Message:
        """Return all there is."""
        ...

    def delta(self) -> Message | None:
        """Return what has changed since the last delta, None if nothing has."""
        ...

    def detail(self, node: str) -> Message | None:
        """Return what is known of a node, None if nothing is."""
        ...

    def log(self, node: str, after: int) -> Message:
        """Return the lines of a node's log, and where they go on."""
        ...


def _snapshot_of(_value: object, widget: "RunGraph") -> Message:
    return widget.source.snapshot()


class RunGraph(anywidget.AnyWidget):
    """A graph of runs that lives in a notebook; show it as any widget.

    ::

        view = RunView.from_store(home.store, run_id)
        RunGraph(view)

    Nothing is sent until `flush` is called; see `nborch.view.pump`. A browser that
    comes later, as after a reload, and a notebook that is saved get the present state.

    Parameters
    ----------
    source
        What it shows.
    act
        Does what its buttons ask for: "cancel", "retry".
    looks
        Returns the same as a picture and a text, for where widgets are not shown.
    """

    _esm = widget_code()
    #: By which its views and outputs in one page know each other.
    name = traitlets.Unicode().tag(sync=True)
    #: All there is. It is never set, but made when somebody asks for it.
    snapshot = traitlets.Any().tag(sync=True, to_json=_snapshot_of)

    def __init__(
        self,
        source: Source,
        act: Act | None = None,
        looks: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        # NB. First: the widget's state is sent as soon as it is made.
        self.source = source
        self._act = act
        self._looks = looks
        self._pen = threading.RLock()
        super().__init__(name=uuid4().hex)
        self.on_msg(self._take)
        _answer_at_once(self.comm)

    def show(self, source: Source) -> None:
        """Show something else from now on."""
        with self._pen:
            self.source = source
            self.send(source.snapshot())

    def flush(self) -> bool:
        """Send what has changed; tell whether anything has."""
        with self._pen:
            delta = self.source.delta()
            if delta is not None:
                self.send(delta)
            return delta is not None

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message to all views."""
        # NB. Not by ipywidgets' way, which looks for bytes in all that is sent.
        if self.comm is not None:
            message = {"method": "custom", "content": content}
            self.comm.send(data=message, buffers=buffers)

    def settle(self) -> None:
        """Have on record how it stands now, for a notebook that is saved by a program.

        A front end asks when it saves; others know only what they were sent.
        """
        with self._pen:
            state = {"snapshot": self.source.snapshot()}
            message = {"method": "update", "state": state, "buffer_paths": []}
            if self.comm is not None:
                self.comm.send(data=message, buffers=[])

    def tell(self, text: str, level: str = "info") -> None:
        """Show a line of text in the graph."""
        with self._pen:
            self.send({"type": "notice", "text": text, "level": level})

    def stand(
        self,
        bundle: dict[str, Any],
        *,
        seconds: float | None = None,
        has_view: bool = False,
    ) -> dict[str, Any]:
        """Return an output in which the graph stands in place of its picture.

        NB. It is better no view of the widget: of that, nothing were left in a notebook
        whose kernel has gone. See `nborch.view.packing.standing`.

        Parameters
        ----------
        seconds
            How long the details of runs may be looked up, which are told where there
            is no widget any more; None for none of them.
        has_view
            Whether it is a view nevertheless, for as long as the kernel is there.
        """
        with self._pen:
            snapshot = self.source.snapshot()
            details = None
            if seconds is not None:
                details = details_of(snapshot, self.source.detail, seconds=seconds)
            html = standing(bundle["text/html"], self.name, snapshot, details)
            view = {VIEW_MIME: self.view()} if has_view else {}
            return {**bundle, "text/html": html, **view}

    def view(self) -> dict[str, Any]:
        """Return what tells a front end to show it."""
        return {"version_major": 2, "version_minor": 0, "model_id": self.model_id}

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        told = super()._repr_mimebundle_(**kwargs)
        if not self._looks or told is None:
            return told
        data, metadata = told if isinstance(told, tuple) else (told, {})
        return {**data, **self._looks()}, metadata

    def _take(self, _widget: object, content: Any, _buffers: object) -> None:
        """Answer a message of a browser.

        It may come in a thread of its own, while a cell runs.
        """
        op = content.get("op") if isinstance(content, dict) else None
        answer: Message | None = None
        if op == "sync":
            answer = self.source.snapshot()
        elif op == "detail":
            node = str(content.get("id"))
            answer = {"type": "detail", "id": node, "detail": self.source.detail(node)}
        elif op == "log":
            node, after = str(content.get("id")), int(content.get("after") or 0)
            answer = {"type": "log", "id": node, **self.source.log(node, after)}
        elif op in {"cancel", "retry"} and self._act is not None:
            told = self._act(op)
            answer = {"type": "notice", "text": told, "level": "info"} if told else None
        if answer is not None:
            with self._pen:
                self.send(answer)


def _answer_at_once(comm: Any) -> None:
    """Have a widget's messages taken while a cell runs, where the kernel can do that.

    From version 7.4 on, ipykernel takes them in the thread that last sent one, which
    is the one that is busy. There is no public way to say otherwise; versions without
    this method take them in a thread of their own, or (6) not before the cell is over.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default  # noqa: SLF001
