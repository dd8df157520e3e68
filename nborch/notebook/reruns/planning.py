"""What would run to bring cell tasks up to date, in which order, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from nborch.cache.base import KeptResult, ResultStore
from nborch.exceptions import NotFound, did_you_mean
from nborch.notebook.candidates import find
from nborch.notebook.reruns.staleness import Standing, Status, Survey
from nborch.notebook.reruns.steps import CellRun

__all__ = ["Action", "Move", "Plan", "ordered", "plan"]


class Action(Enum):
    """What would be done with a cell task, with its sign."""

    #: Its body would run.
    RUN = ("run", "▶")
    #: Its result would be restored: it is kept.
    RESTORE = ("restore", "↻")
    #: It would run only if what runs before it makes something else.
    PERHAPS = ("run if needed", "?")

    def __init__(self, word: str, sign: str) -> None:
        self.word = word
        self.sign = sign


@dataclass(frozen=True, slots=True)
class Move:
    """One cell task of a plan."""

    run: CellRun
    action: Action
    reason: str
    #: The identities of those before it that it reads from.
    after: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """Cell tasks in the order in which they would run, and those that need not."""

    moves: tuple[Move, ...]
    fresh: tuple[Standing, ...]


def plan(survey: Survey, cache: ResultStore, names: Iterable[str] = ()) -> Plan:
    """Return what would bring these tasks up to date, or all if none is named.

    Raises
    ------
    NotFound
        No cell task of this kernel has such a name.
    """
    standings = {each.run.identity: each for each in survey.standings()}
    asked = list(names)
    wanted = _wanted(standings, asked)
    chosen = _chosen(survey, standings, wanted, repairs=bool(asked))
    order = ordered(survey, [standings[each].run for each in chosen])
    forecast = _Forecast(survey, cache)
    moves = tuple(forecast.move(standings[run.identity]) for run in order)
    fresh = tuple(s for i, s in standings.items() if i in wanted and i not in chosen)
    return Plan(moves, fresh)


def _wanted(standings: dict[str, Standing], names: list[str]) -> list[str]:
    """Return the identities of the tasks with these names."""
    if not names:
        gone = (Status.ORPHAN, Status.RUNNING)
        return [i for i, each in standings.items() if each.status not in gone]
    known = {each.run.task for each in standings.values()}
    for name in names:
        if name not in known:
            raise NotFound(
                f"No cell task {name!r} has run in this kernel."
                f"{did_you_mean(name, known)} "
                "See those that have with: %nborch status"
            )
    return [i for i, each in standings.items() if each.run.task in names]


def _chosen(
    survey: Survey, standings: dict[str, Standing], wanted: list[str], *, repairs: bool
) -> list[str]:
    """Return what is to run: the outdated, and those whose values they need again.

    What has been overwritten by later cells has to be made again for who reads it, and
    then the later cells have to overwrite it again.

    Parameters
    ----------
    repairs
        Whether what plain cells have changed is to be restored. They may have had to,
        so that is not done unless somebody asks for it by name.
    """
    named = [standings[each] for each in wanted]
    chosen = {
        each.run.identity
        for each in named
        if each.is_outdated or (repairs and each.status is Status.DIRTY)
    }
    while True:
        more = set()
        for identity in chosen | set(wanted):
            run = standings[identity].run
            for name, source in survey.upstream(run).items():
                if source.identity not in standings:
                    continue
                outdated = standings[source.identity].is_outdated
                if outdated or (
                    identity in chosen and _is_overwritten(survey, name, source)
                ):
                    more |= {source.identity}
        for identity in list(chosen):
            more |= _overwriting(survey, standings, identity)
        if more <= chosen:
            return [each for each in standings if each in chosen]
        chosen |= more


def _is_overwritten(survey: Survey, name: str, source: CellRun) -> bool:
    """Tell whether a name holds something else than what a task made of it."""
    made = source.made.get(name, "")
    later = list(survey.history.writers(name, source.number))
    if not later:
        return False
    # What plain cells have made of it since cannot be made again: it stays.
    return bool(made) and survey.digest(name) != made and _by_tasks(later)


def _by_tasks(steps: Sequence[object]) -> bool:
    return all(isinstance(step, CellRun) for step in steps)


def _overwriting(
    survey: Survey, standings: dict[str, Standing], identity: str
) -> set[str]:
    """Return the tasks that have overwritten what a task makes."""
    run = standings[identity].run
    return {
        step.identity
        for name in run.made
        for step in survey.history.writers(name, run.number)
        if isinstance(step, CellRun)
        and step.identity in standings
        and standings[step.identity].run.number == step.number
        and step.identity != identity
    }


def ordered(survey: Survey, runs: list[CellRun]) -> list[CellRun]:
    """Return the runs so that each comes after those it reads from."""
    ordered: dict[str, CellRun] = {}
    among = {run.identity: run for run in runs}
    visiting: set[str] = set()

    def visit(run: CellRun) -> None:
        if run.identity in ordered or run.identity in visiting:
            return
        visiting.add(run.identity)
        for source in survey.upstream(run).values():
            if source.identity in among:
                visit(among[source.identity])
        ordered[run.identity] = run

    for run in sorted(runs, key=lambda run: run.number):
        visit(run)
    return list(ordered.values())


class _Forecast:
    """Tells what would come of each move, by what those before it would make."""

    def __init__(self, survey: Survey, cache: ResultStore) -> None:
        self._survey = survey
        self._cache = cache
        #: The digest of each name after the moves so far; None if only a run tells.
        self._made: dict[str, str | None] = {}
        self._moved: set[str] = set()

    def move(self, standing: Standing) -> Move:
        """Return what would be done with a cell, and remember what it would make."""
        run = standing.run
        sources = self._survey.upstream(run)
        after = {s.identity for s in sources.values()} & self._moved
        unknown = sorted(
            name
            for name, source in sources.items()
            if source.identity in after and self._made.get(name) is None
        )
        self._moved.add(run.identity)
        reason = standing.reason or "something it makes is needed again"
        entry = None if unknown else self._entry(run)
        if entry is not None:
            self._made |= {n: d or None for n, d in entry.meta.get("made", {}).items()}
            return Move(run, Action.RESTORE, reason, frozenset(after))
        self._made |= dict.fromkeys(run.made)
        if unknown and standing.status is not Status.FAILED:
            return Move(run, Action.PERHAPS, reason, frozenset(after))
        return Move(run, Action.RUN, reason, frozenset(after))

    def _entry(self, run: CellRun) -> KeptResult | None:
        """Return the kept result for what the cell would read by then."""
        cell = self._survey.cell(run)
        if cell is None or cell.ingredients is None or cell.key is None:
            return None
        known = {name: each for name, each in self._made.items() if each}
        key = cell.ingredients.with_names(known).key
        return find(self._cache, key, seeded=cell.is_seeded)[0]
