"""Standing alone: what a graph takes along for a page that has no Python to ask.

A notebook that was saved shows its graphs when the kernel has gone, and so does the
page that was made of it. Who looks into a run there wants to know why it failed: the
details of runs are taken along, as many as there is room for.
"""

import json
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nborch.states.base import UNHAPPY
from nborch.view.graphs import Message
from nborch.view.packing import standing

__all__ = ["SECONDS", "Lookup", "details_of", "stored"]

#: Characters that the details of one graph take in a notebook, packed.
ROOM = 60_000
#: Runs that did not complete are looked up first, and so many however long it takes.
UNHAPPY_FIRST = 20
#: Seconds to look up others, at the most.
SECONDS = 0.2

#: Lines of a log that are kept, and characters of each text.
LINES, LONGEST = 40, 8_000
#: Characters of the value of an input or an output, and how many of them there are.
PREVIEW, VALUES = 300, 50

#: Four characters stand for three bytes.
_WRITTEN = 4 / 3


class Lookup(Protocol):
    """What tells of a graph, and of its runs."""

    def snapshot(self) -> Message:
        """Return all there is."""
        ...

    def detail(self, node: str) -> Message | None:
        """Return what is known of a node, None if nothing is."""
        ...


def details_of(
    snapshot: Message,
    detail: Callable[[str], Message | None],
    *,
    room: int = ROOM,
    seconds: float = SECONDS,
) -> dict[str, Message]:
    """Return the details of runs by their ids: those first that did not complete.

    >>> failed = {"id": "1", "state": {"type": "FAILED", "name": "Failed"}}
    >>> details_of({"nodes": [failed]}, lambda run: {"id": run, "code": "1 / 0"})
    {'1': {'code': '1 / 0'}}

    Parameters
    ----------
    snapshot
        The graph; see `nborch.view.model`.
    detail
        Looks up the details of a run.
    room
        Characters that they may take, packed.
    seconds
        How long others than those that did not complete may be looked up.
    """
    found: dict[str, Message] = {}
    packer, taken = zlib.compressobj(), 0
    until = time.monotonic() + seconds
    for n, node in enumerate(sorted(snapshot["nodes"], key=_rank)):
        is_due = n < UNHAPPY_FIRST and _rank(node) == 0
        if not is_due and time.monotonic() >= until:
            break
        told = _looked_up(detail, node["id"])
        if told is None:
            continue
        text = json.dumps(told, default=str).encode()
        packed = packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)
        taken += round(len(packed) * _WRITTEN)
        if taken > room:
            break
        found[node["id"]] = told
    return found


def stored(looks: Mapping[str, Any], graph: Lookup) -> dict[str, Any]:
    """Return an output in which a graph stands that was never live.

    Parameters
    ----------
    looks
        The graph as a picture and a text.
    graph
        What tells of it: a model, or one that was kept.
    """
    snapshot = graph.snapshot()
    details = details_of(snapshot, graph.detail)
    return {**looks, "text/html": standing(looks["text/html"], "", snapshot, details)}


def _rank(node: Mapping[str, Any]) -> int:
    """Return how soon the details of a run are looked up: what went wrong first."""
    if node["state"]["type"] in UNHAPPY:
        return 0
    return 1 if node.get("attempts") else 2


def _looked_up(detail: Callable[[str], Message | None], run_id: str) -> Message | None:
    try:
        found = detail(run_id)
    except Exception:  # noqa: BLE001  # its store is gone: the graph stands without it
        return None
    return _shortened(found) if found else None


def _shortened(detail: Message) -> Message:
    """Return details without what is empty, and of long texts the beginning."""
    told = {name: value for name, value in detail.items() if value and name != "id"}
    for name in ("inputs", "outputs"):
        if name in told:
            told[name] = [_cut(value, PREVIEW) for value in told[name][:VALUES]]
    if told.get("inputs"):
        # They are the same, and told once.
        told.pop("parameters", None)
    if "parameters" in told:
        some = dict(list(told["parameters"].items())[:VALUES])
        told["parameters"] = _cut(some, PREVIEW)
    if "log" in told:
        told["more_log"] = bool(detail.get("more_log")) or len(told["log"]) > LINES
        told["log"] = [_cut(line, LONGEST // 8) for line in told["log"][-LINES:]]
    if "error" in told:
        told["error"] = _ended(told["error"])
    if "code" in told:
        told["code"] = str(told["code"])[:LONGEST]
    return told


def _cut(texts: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return values of which the texts are no longer than so many characters."""
    return {
        name: f"{value[: most - 1]}…"
        if isinstance(value, str) and len(value) > most
        else value
        for name, value in texts.items()
    }


def _ended(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error with the end of its traceback: it tells where it was raised."""
    traceback = error.get("traceback") or ""
    if len(traceback) > LONGEST:
        traceback = f"…\n{traceback[-LONGEST:]}"
    return _cut({**error, "traceback": None}, LONGEST) | {"traceback": traceback}
