"""The graph of a run, as the API tells of it: the messages of `nborch.view.model`."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Required, TypedDict

from nborch.control.forms import Bounds, Place
from nborch.control.routes import Route
from nborch.control.starting import possible
from nborch.exceptions import NotFound
from nborch.server.site import Site
from nborch.view.details import detail, log

__all__ = [
    "ELSEWHERE",
    "FUNCTIONS",
    "ROUTES",
    "NodeLogQuery",
    "StreamQuery",
    "bound",
    "cells",
    "graph",
    "node",
    "node_log",
]

_RUN = "runs/{run}"


class NodeLogQuery(TypedDict, total=False):
    """From where on."""

    after: Place


class StreamQuery(TypedDict, total=False):
    """What is followed, and from where on."""

    topics: Required[Annotated[str, "Separated by commas.", Bounds(maxLength=2000)]]
    after: Annotated[Place, "The id of the last event that is known."]


def graph(site: Site, run_id: str) -> dict[str, Any]:
    """Return the graph of a run, as it stands: the stream goes on from there."""
    home = site.home
    record = home.listing.get(run_id)
    snapshot = site.watching.view(run_id).view.snapshot()
    snapshot["run"]["can"] = possible(home, record)
    return snapshot


def node(site: Site, run_id: str, node_id: str) -> dict[str, Any]:
    """Return all that is stored of a run within a run."""
    _check_within(site, run_id, node_id)
    return detail(site.home.store, node_id, site.home.cache)


def node_log(
    site: Site, run_id: str, node_id: str, *, after: int = 0
) -> dict[str, Any]:
    """Return the lines of a run within a run, from a place on."""
    _check_within(site, run_id, node_id)
    return log(site.home.store, node_id, after)


def cells(site: Site, run_id: str) -> dict[str, Any]:
    """Return the cells of the executed notebook, as far as it has come."""
    # What reads notebooks takes long to load.
    from nborch.server.frames import cells_of

    site.home.listing.get(run_id)
    return {"items": cells_of(site, run_id)}


def _check_within(site: Site, run_id: str, node_id: str) -> None:
    """Raise unless a run is another one, or within it."""
    listing = site.home.listing
    listing.get(run_id)
    around: str | None = node_id
    while around is not None and around != run_id:
        around = listing.get(around).run.parent_id
    if around is None:
        raise NotFound(f"The run {run_id!r} has no run with the id {node_id!r} in it.")


#: What is called with a site before what the address has.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "graph": graph,
    "node": node,
    "node_log": node_log,
    "cells": cells,
}


def bound(name: str, site: Site) -> Callable[..., Any]:
    """Return the function of this name, for a site."""
    return partial(FUNCTIONS[name], site)


def _get(name: str, path: str, summary: str, query: Any = None) -> Route:
    return Route(
        name=name,
        method="GET",
        path=path,
        summary=summary,
        answer=dict[str, Any],
        query=query,
        faults=(404,),
    )


ROUTES: tuple[Route, ...] = (
    _get("graph", f"{_RUN}/graph", "Tell the graph of a run."),
    _get("node", f"{_RUN}/nodes/{{node}}", "Look into a node of a graph."),
    _get(
        "node_log",
        f"{_RUN}/nodes/{{node}}/log",
        "Read the log of a node.",
        NodeLogQuery,
    ),
    _get("cells", f"{_RUN}/cells", "List the cells of an executed notebook."),
)

#: What other modules answer, for the description.
ELSEWHERE: tuple[Route, ...] = (
    _get("cell", f"{_RUN}/cells/{{cell}}", "Look into a cell, with its HTML."),
    Route(
        name="stream",
        method="GET",
        path="stream",
        summary="Follow what changes, as server-sent events.",
        answer=str,
        media="text/event-stream",
        query=StreamQuery,
        faults=(404,),
    ),
)
