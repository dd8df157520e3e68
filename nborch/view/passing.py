"""Runs that came and went between two looks, held in as little as tells of them.

Where a task is called ten thousand times a second, this is nearly all that happens. To
fold each event, and to hold an object for each run, would take the calls' own time:
everything here shares the interpreter's lock with them.
"""

from collections.abc import Container, MutableMapping, Sequence
from typing import Any

from nborch.events import Event, EventKind
from nborch.states import StateType
from nborch.view.run_nodes import RunNode

__all__ = ["Passed", "reopened", "sift"]

_CREATED = EventKind.CREATED
_COMPLETED = StateType.COMPLETED.value

#: Events of a run that is called and returns: created, pending, running, completed.
EVENTS = 4

#: The facts of such a run: id, kind, of, name, parent, created, upstream, when it began
#: and ended, message, order. NB. A plain tuple of texts and numbers, which the collector
#: leaves alone from its second look on.
Passed = tuple[
    str, str, str, str, str | None, float, Any, float, float, str | None, int
]


def sift(
    events: Sequence[Event],
    parents: Container[str],
    passed: MutableMapping[str, Any],
    order: int,
) -> list[Event]:
    """Take out runs that came and went; return the events of all others.

    Only those are found whose events stand in a row, as they do where one thread calls
    a task again and again.

    Parameters
    ----------
    parents
        The runs that are known: what is not within one of them is left in.
    passed
        Takes the runs by their ids.
    order
        That of the next run.
    """
    rest: list[Event] = []
    n, last = 0, len(events) - EVENTS
    while n <= last:
        event = events[n]
        run_id, kind, _, _, data, _ = event
        if kind is _CREATED:
            second, (third, _, began, _, running, _) = events[n + 1], events[n + 2]
            fourth, _, ended, _, state, _ = events[n + 3]
            if (
                fourth is run_id
                and third is run_id
                and second[0] is run_id
                and running["name"] == "Running"
                and state["name"] == "Completed"
                and state["type"] == _COMPLETED
                and not state["details"]
                and data["parent_id"] in parents
                and run_id not in parents
                and run_id not in passed
                and "cell" not in data["details"]
            ):
                passed[run_id] = (
                    run_id,
                    data["kind"],
                    data["of"],
                    data["name"],
                    data["parent_id"],
                    data["created"],
                    data["details"].get("upstream"),
                    began,
                    ended,
                    state["message"],
                    order,
                )
                order += 1
                n += EVENTS
                continue
        rest.append(event)
        n += 1
    rest += events[n:]
    return rest


def reopened(run: Passed) -> RunNode:
    """Return a run that came and went as any other."""
    run_id, kind, of, name, parent, created, upstream, began, ended, message, n = run
    data = {
        "id": run_id,
        "kind": kind,
        "of": of,
        "name": name,
        "parent_id": parent,
        "created": created,
        "details": {"upstream": upstream},
    }
    node = RunNode(data, n)
    state = {"type": "RUNNING", "name": "Running", "message": None, "details": None}
    node.enter(began, 1, state)
    state |= {"type": _COMPLETED, "name": "Completed", "message": message}
    node.enter(ended, 1, state)
    return node
