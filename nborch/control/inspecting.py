"""All that the page of one run shows at first."""

import os
from typing import Any

from nborch.control.forms import Artifact, RunDetail, RunError, RunSummary
from nborch.control.starting import possible
from nborch.deploy.entrypoints import told as told_place
from nborch.exceptions import NotFound
from nborch.home import Home
from nborch.parameters import shown
from nborch.runs import RunRecord
from nborch.states import State
from nborch.states.base import UNHAPPY

__all__ = ["detail_of"]

#: Characters of a value that is shown in a few words.
FEW = 300
#: Larger results are not loaded in order to be looked at, in bytes.
LARGE = 100_000
#: The fact of a cell's run that holds what ``nborch.result`` was given.
_GIVEN = "results"


def detail_of(home: Home, record: RunRecord, told: RunSummary) -> RunDetail:
    """Return all that is told of a run, of which a list tells so much."""
    run, details = record.run, record.run.details
    hits, seconds = home.listing.reused_within(run.id)
    artifacts = _artifacts(home, record)
    output = details.get("output")
    return {
        **told,
        "parameters": dict(run.parameters),
        "result": _result(home, record, artifacts),
        "error": _error(record.state),
        "can": possible(home, record),
        "entrypoint": _entrypoint(home, record),
        "output": output if isinstance(output, str) else None,
        "artifacts": artifacts,
        "cache": {"hits": hits, "seconds_saved": seconds},
    }


def _artifacts(home: Home, record: RunRecord) -> list[Artifact]:
    """Return what a notebook gave as its results."""
    if "notebook" not in record.run.details:
        return []
    found: dict[str, Artifact] = {}
    for given in home.listing.facts_within(record.run.id, _GIVEN):
        for name, handle in given.items():
            if isinstance(handle, dict):
                found[name] = _artifact(name, handle)
    return list(found.values())


def _artifact(name: str, handle: dict[str, Any]) -> Artifact:
    value = handle.get("value") or []
    preview = _short(_written(value[0])) if value else handle.get("reason")
    return {
        "name": name,
        "kind": str(handle.get("type", "")),
        "preview": preview,
        "size": handle.get("size") or None,
    }


def _written(value: object) -> str:
    """Return a plain value in words: a text as it is read, not as it is typed."""
    return value if isinstance(value, str) else repr(value)


def _result(home: Home, record: RunRecord, artifacts: list[Artifact]) -> str | None:
    """Return what a run returned, if that was kept."""
    if artifacts:
        return ", ".join(each["name"] for each in artifacts)
    key = record.state.details.get("cache_key")
    entry = home.cache.lookup(key) if isinstance(key, str) else None
    if entry is None or entry.size > LARGE or "result" not in entry.parts:
        return None
    try:
        return _short(str(shown({"result": entry.load("result")})["result"]))
    except Exception:  # noqa: BLE001  # its class is gone, or does not like this
        return None


def _error(state: State) -> RunError | None:
    if state.type not in UNHAPPY:
        return None
    known = state.details.get("error")
    told = known if isinstance(known, dict) else {}
    traceback = told.get("traceback")
    return {
        "type": str(told.get("type") or state.name),
        "message": str(told.get("message") or state.message or ""),
        "traceback": None if traceback is None else str(traceback),
    }


def _entrypoint(home: Home, record: RunRecord) -> str | None:
    details = record.run.details
    deployment = details.get("deployment")
    if isinstance(deployment, dict):
        try:
            return told_place(
                home.deployments.get(str(deployment.get("id"))).entrypoint
            )
        except (NotFound, KeyError):
            return None  # it was deleted
    place = details.get("notebook") or details.get("entrypoint")
    return os.fspath(place) if isinstance(place, str) else None


def _short(text: str) -> str:
    return text if len(text) <= FEW else f"{text[: FEW - 1]}…"
