"""The cell tasks of a notebook as a picture, with the names between them."""

from collections.abc import Sequence
from typing import Any

from nborch.diagrams import Box, Diagram
from nborch.notebook.graphs.frames import Frame, shell_here
from nborch.notebook.reruns.staleness import Standing, Status, Survey
from nborch.notebook.reruns.steps import CellRun
from nborch.showing import escaped
from nborch.view.standalone import SECONDS

__all__ = ["Graph", "diagram"]


class Graph:
    """A picture in a notebook, Mermaid's text when printed."""

    def __init__(self, drawn: Diagram, lines: Sequence[str] = ()) -> None:
        self.diagram = drawn
        self.lines = tuple(lines)
        #: What shows the same in a widget, and goes on to.
        self.live: Any = None

    def __str__(self) -> str:
        return "\n".join([self.diagram.mermaid(), *self.lines])

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        from nborch.pictures import bundle

        title = "The cell tasks of this notebook"
        shown: dict[str, Any] = dict(bundle(self.diagram, title))
        shown["text/plain"] = str(self)
        shown["text/html"] += "".join(
            f"<div>{escaped(line)}</div>" for line in self.lines
        )
        if self.live is not None:
            has_view = not Frame(shell_here()).is_one_page
            stand = self.live.widget.stand
            return dict(stand(shown, seconds=SECONDS, has_view=has_view))
        return shown


def diagram(survey: Survey) -> Graph:
    """Return the tasks in the colours of where they stand, and the names between.

    A name that several cells write is drawn once for each of them: a reader is bound to
    the one whose value it has read.
    """
    standings = {each.run.identity: each for each in survey.standings()}
    boxes = [_task(each) for each in standings.values()]
    names: dict[str, Box] = {}
    arrows: dict[tuple[str, str], None] = {}
    for identity, standing in standings.items():
        run = standing.run
        for name in sorted(run.reads & _data(survey, run)):
            source = survey.history.writer(name, run.number)
            known = isinstance(source, CellRun) and source.identity in standings
            origin = source.identity if isinstance(source, CellRun) and known else ""
            if origin == identity:
                continue
            box = f"{name} of {origin}"
            names.setdefault(box, Box(box, name))
            if origin:
                arrows[origin, box] = None
            arrows[box, identity] = None
        for name in _results(survey, run):
            box = f"{name} of {identity}"
            names.setdefault(box, Box(box, name))
            arrows[identity, box] = None
    drawn = Diagram([*boxes, *names.values()], tuple(arrows))
    return Graph(drawn, list(_remarks(standings)))


def _task(standing: Standing) -> Box:
    status = standing.status
    told = "" if status is Status.FRESH else f" · {status.word}"
    label = f"{status.sign} {standing.run.task}{told}"
    return Box(standing.run.identity, label, state=status.shade, is_flow=True)


def _data(survey: Survey, run: CellRun) -> set[str]:
    """Return the names that a run read as data: not what was imported or defined."""
    kinds = ("module", "builtin_function_or_method", "function", "type")
    return {
        name
        for name in run.reads
        if name in survey.namespace
        and type(survey.namespace[name]).__name__ not in kinds
    }


def _results(survey: Survey, run: CellRun) -> list[str]:
    """Return what a run made as data."""
    return sorted(name for name, made in run.made.items() if made) or sorted(
        name
        for name in run.made
        if type(survey.namespace.get(name)).__name__ != "module"
    )


def _remarks(standings: dict[str, Standing]) -> list[str]:
    """Return what the picture alone does not say: names that several tasks write."""
    writers: dict[str, list[str]] = {}
    for standing in standings.values():
        run: Any = standing.run
        for name in sorted(run.made.keys() - run.reads):
            writers.setdefault(name, []).append(run.task)
    return [
        f"`{name}` is written by {len(tasks)} tasks: {', '.join(tasks)}. "
        "Each reader is bound to the one that ran before it."
        for name, tasks in writers.items()
        if len(tasks) > 1
    ]
