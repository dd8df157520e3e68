"""Graphs that a browser follows: what a model of one has to tell, and when.

The messages are those of `nborch.view.model`.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["CellView", "GraphModel", "Message"]

#: JSON values.
Message = dict[str, Any]


class GraphModel:
    """Nodes of a graph, and which of them have changed since one asked last.

    Subclasses fold what they were told in `_fold`, put the nodes that changed into
    `_changed`, and tell the run and the nodes as JSON values.
    """

    #: Which of the browser's views shows it.
    view = "run"

    def __init__(self) -> None:
        # Who asks for a snapshot is another thread than the one that sends deltas.
        self._lock = threading.Lock()
        self._seq = 0
        self._changed: dict[str, Any] = {}
        self._gone: dict[str, None] = {}
        self._is_run_changed = True

    def number_from(self, number: int) -> None:
        """Count messages on from a number, so that they come after another model's."""
        with self._lock:
            self._seq = number

    def snapshot(self) -> Message:
        """Return all there is."""
        with self._lock:
            self._fold()
            return {
                "type": "snapshot",
                "seq": self._seq,
                "now": time.time(),
                "view": self.view,
                "run": self._run(),
                "nodes": self._nodes(),
            }

    def delta(self) -> Message | None:
        """Return what has changed since the last delta, None if nothing has.

        Of a flood of changes, a part: the others are told of with those that follow.
        """
        with self._lock:
            self._fold(is_whole=False)
            changed, gone = self._due(), self._gone
            if not (changed or gone or self._is_run_changed):
                return None
            self._seq += 1
            message: Message = {
                "type": "delta",
                "seq": self._seq,
                "now": time.time(),
                "nodes": [self._node(each) for each in changed.values()],
            }
            if gone:
                message["gone"] = list(gone)
            if self._is_run_changed:
                message["run"] = self._run()
            self._gone = {}
            self._is_run_changed = False
            return message

    def _fold(self, *, is_whole: bool = True) -> None:
        """Take in what was told since, or as much of it as one message is worth."""

    def _due(self) -> Mapping[str, Any]:
        """Return what is to be told of now, of all that has changed."""
        changed, self._changed = self._changed, {}
        return changed

    def _run(self) -> Message:
        """Return the run of which these are the nodes."""
        raise NotImplementedError

    def _nodes(self) -> list[Message]:
        """Return all nodes."""
        raise NotImplementedError

    def _node(self, changed: Any) -> Message:
        """Return a node that has changed."""
        raise NotImplementedError


class CellView(GraphModel):
    """The cells of a notebook, as somebody else has found that they stand.

    >>> view = CellView("report")
    >>> view.show([{"id": "1", "kind": "cell", "of": "load", "name": "load"}])
    >>> [node["of"] for node in view.delta()["nodes"]]
    ['load']

    Parameters
    ----------
    name
        What the notebook is called.
    """

    view = "cells"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._told: dict[str, Message] = {}
        self._about: Message = {
            "id": "cells",
            "kind": "cells",
            "of": name,
            "name": name,
            "state": {"type": "RUNNING", "name": "Running"},
            "can": [],
        }

    def show(self, nodes: Iterable[Mapping[str, Any]]) -> None:
        """Take all nodes as they are now, in their order; others are gone."""
        with self._lock:
            told = {node["id"]: {**node, "order": n} for n, node in enumerate(nodes)}
            self._gone |= dict.fromkeys(self._told.keys() - told.keys())
            for name, node in told.items():
                self._gone.pop(name, None)
                if self._told.get(name) != node:
                    self._changed[name] = node
            for name in self._gone:
                self._changed.pop(name, None)
            self._told = told

    def about(self, **facts: Any) -> None:
        """Take facts of the whole: its state, what one can do with it."""
        with self._lock:
            self._about |= facts
            self._is_run_changed = True

    def _run(self) -> Message:
        return dict(self._about)

    def _nodes(self) -> list[Message]:
        return list(self._told.values())

    def _node(self, changed: Any) -> Message:
        return dict(changed)
