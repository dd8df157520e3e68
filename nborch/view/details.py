"""Details: all that is known of one run, for who looks at it alone.

The forms are those of `nborch.view.model`:

DETAIL
    ``{"id", "history": [{"at", "type", "name", "message", "attempt"}], "attempts":
    [ATTEMPT], "inputs": [VALUE], "outputs": [VALUE], "key", "source_run",
    "saved_seconds", "why", "error": {"type", "message", "traceback"}, "log": [LINE],
    "more_log", "next": k, "parameters": {name: text}, "tags": [text], "code"}``
VALUE
    ``{"name", "digest", "preview"}``
LINE
    ``{"at", "level", "logger", "message"}``
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Protocol

from nborch.cache.base import KeptResult
from nborch.events import Event, EventKind, end_written
from nborch.parameters import shown
from nborch.runs import Run
from nborch.states import State
from nborch.states.base import UNHAPPY
from nborch.store.base import RunStore
from nborch.view.run_nodes import RunNode

__all__ = ["Results", "detail", "log"]

#: Lines of the log that come with the details; the rest is there to be asked for.
TAIL = 200
#: Lines that are sent at once.
AT_ONCE = 1_000

#: Larger results are not loaded in order to be looked at, in bytes.
LARGE = 100_000

#: What is noted of the cell tasks: what they read and made, and what they made it of.
_RAN, _MADE = "ran", "made"


class Results(Protocol):
    """Where results are looked up: a `ResultStore`, or what makes one when asked."""

    def lookup(self, key: str) -> KeptResult | None:
        """Return what is kept under a key, None if nothing is."""
        ...


def detail(
    store: RunStore, run_id: str, cache: Results | None = None
) -> dict[str, Any]:
    """Return all that a store knows of a run, as JSON values.

    Parameters
    ----------
    cache
        Where results are kept, for a preview of what the run returned.
    """
    record = store.record(run_id)
    run, details = record.run, record.run.details
    events = store.events(run_id=run_id)
    ran: Mapping[str, Any] = details.get(_RAN) or {}
    facts = record.state.details
    key = facts.get("cache_key") or ran.get("key")
    lines = list(_lines(run, events))
    parameters = {name: str(each) for name, each in run.parameters.items()}
    return {
        "id": run.id,
        "history": [_entered(event) for event in events if _is_state(event)],
        "attempts": _attempts(run, events),
        "inputs": [*_values(parameters), *_read(ran)],
        "outputs": [*_made(ran, details), *_returned(cache, facts.get("cache_key"))],
        "key": key,
        "source_run": facts.get("source_run"),
        "saved_seconds": facts.get("saved_seconds"),
        "why": ran.get("reason"),
        "error": _error(record.state),
        "log": lines[-TAIL:],
        "more_log": len(lines) > TAIL,
        "next": events[-1].sequence if events else 0,
        "parameters": parameters,
        "tags": sorted(run.tags),
        "code": _code(ran),
    }


def log(store: RunStore, run_id: str, after: int = 0) -> dict[str, Any]:
    """Return the lines that a run wrote after a place, and where they go on.

    ::

        told = log(store, run_id)
        told = log(store, run_id, told["next"])

    Parameters
    ----------
    after
        The "next" of the lines, or the details, that came before; 0 for all of them.
    """
    events = store.events(after, run_id=run_id)[:AT_ONCE]
    lines = list(_lines(store.record(run_id).run, events)) if events else []
    return {"lines": lines, "next": events[-1].sequence if events else after}


def _lines(run: Run, events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Yield the lines among events, with the one that tells how the run ended."""
    for event in events:
        line = event
        if _is_state(event):
            state = State.from_json(event.data)
            if not state.is_over():
                continue
            line = end_written(run, event, state)
        elif event.kind is not EventKind.LOG:
            continue
        yield {"at": line.at, **line.data}


def _is_state(event: Event) -> bool:
    return event.kind is EventKind.STATE


def _entered(event: Event) -> dict[str, Any]:
    data = event.data
    return {
        "at": event.at,
        "type": data["type"],
        "name": data["name"],
        "message": data["message"],
        "attempt": event.attempt,
    }


def _attempts(run: Run, events: Iterable[Event]) -> list[dict[str, Any]]:
    node = RunNode(run.to_json(), 0)
    for event in filter(_is_state, events):
        node.enter(event.at, event.attempt, event.data)
    return list(node.attempts())


def _values(
    previews: Mapping[str, str], digests: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    for name in chain(previews, (digests or {}).keys() - previews.keys()):
        digest = (digests or {}).get(name)
        yield {"name": name, "digest": digest, "preview": previews.get(name)}


def _read(ran: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a cell task has read, by kind and name."""
    ingredients: Mapping[str, Any] = ran.get("ingredients") or {}
    found = {**ingredients.get("inputs", {}), **ingredients.get("found", {})}
    for told, digest in sorted(found.items()):
        # Names are what most are: they go without the word.
        yield {
            "name": told.removeprefix("name "),
            "digest": str(digest),
            "preview": None,
        }


def _made(
    ran: Mapping[str, Any], details: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield what a cell task has made, with its type."""
    types = (details.get(_MADE) or {}).get("types") or {}
    made: Mapping[str, str] = ran.get("made") or {}
    for name, digest in sorted(made.items()):
        yield {"name": name, "digest": digest or None, "preview": types.get(name)}


def _returned(cache: Results | None, key: str | None) -> Iterator[dict[str, Any]]:
    """Yield what a task has returned, if it was kept and is small."""
    entry = cache.lookup(key) if cache is not None and key else None
    if entry is None or entry.size > LARGE or "result" not in entry.parts:
        return
    try:
        value = entry.load("result")
    except Exception:  # noqa: BLE001  # its class is gone, or does not like this
        return
    preview = "<serialized>" if "serializer" in entry.meta else None
    told = preview or str(shown({"result": value})["result"])
    yield {"name": "result", "digest": None, "preview": told}


def _error(state: State) -> dict[str, Any] | None:
    known = state.details.get("error")
    if known is not None:
        return dict(known)
    if state.type not in UNHAPPY:
        return None
    return {"type": state.name, "message": state.message or "", "traceback": None}


def _code(ran: Mapping[str, Any]) -> str | None:
    """Return the code of a cell task, with its first line."""
    text = (ran.get("ingredients") or {}).get("text")
    return "\n".join(filter(None, (ran.get("header"), text))) if text else None
