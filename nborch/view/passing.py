"""Runs that came and went between two looks, held in as little as tells of them.

Where a task is called ten thousand times a second, this is nearly all that happens. To
fold each of its events would take the calls' own time: what looks on shares the
interpreter's lock with them.
"""

from collections.abc import Container, Sequence
from typing import Any

from nborch.events import Event, EventKind
from nborch.states import StateType
from nborch.view.run_nodes import RunNode

__all__ = ["Passed", "reopened", "sift"]

_CREATED = EventKind.CREATED
_COMPLETED = StateType.COMPLETED.value

#: What tells of a run that is called and returns: created, pending, running, completed.
EVENTS = 4

#: A run that came and went: its id, kind, of, name, parent, created, upstream, when it
#: began and ended, message. NB. A plain tuple of texts and numbers: it is small, and
#: the collector leaves it alone.
Passed = tuple[str, str, str, str, str | None, float, Any, float, float, str | None]


def sift(
    events: Sequence[Event], known: Container[str]
) -> tuple[list[Passed], list[Event]]:
    """Return the runs that came and went, and the events of all others.

    Only those are found whose events stand in a row, as they do where one thread calls
    a task again and again.

    Parameters
    ----------
    known
        The runs within which they are looked for.
    """
    passed: list[Passed] = []
    rest: list[Event] = []
    n, last = 0, len(events) - EVENTS
    while n <= last:
        event = events[n]
        run_id, kind, _, _, run, _ = event
        if kind is _CREATED:
            third, _, began, _, running, _ = events[n + 2]
            fourth, _, ended, _, state, _ = events[n + 3]
            if (
                fourth is run_id
                and third is run_id
                and events[n + 1][0] is run_id
                # NB. Notes have no type.
                and running.get("type")
                and running["name"] == "Running"
                and state.get("type") == _COMPLETED
                and state["name"] == "Completed"
                and not state["details"]
                and run["parent_id"] in known
                and run_id not in known
            ):
                details = run["details"]
                if "cell" not in details and events[n + 1].data.get("type"):
                    first = (run_id, run["kind"], run["of"], run["name"])
                    there = (run["parent_id"], run["created"], details.get("upstream"))
                    passed.append((*first, *there, began, ended, state["message"]))
                    n += EVENTS
                    continue
        rest.append(event)
        n += 1
    rest += events[n:]
    return passed, rest


def reopened(run: Passed, order: int) -> RunNode:
    """Return a run that came and went as any other.

    Parameters
    ----------
    order
        Its place among the runs of the graph.
    """
    run_id, kind, of, name, parent, created, upstream, began, ended, message = run
    data = {
        "id": run_id,
        "kind": kind,
        "of": of,
        "name": name,
        "parent_id": parent,
        "created": created,
        "details": {"upstream": upstream},
    }
    node = RunNode(data, order)
    state = {"type": "RUNNING", "name": "Running", "message": None, "details": None}
    node.enter(began, 1, state)
    state |= {"type": _COMPLETED, "name": "Completed", "message": message}
    node.enter(ended, 1, state)
    return node
