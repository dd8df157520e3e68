"""What came of a notebook's run: values by name, loaded when somebody asks for them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nborch.cache.base import ResultStore
from nborch.exceptions import InvalidDeclaration, MissingResult, did_you_mean
from nborch.home import Home, open_home
from nborch.notebook.effects.keeping import loaded_name
from nborch.notebook.loading import load_notebook
from nborch.notebook.results.giving import PART
from nborch.notebook.results.handles import GIVEN, MADE, Given, Made
from nborch.runs import Run, RunKind, RunRecord
from nborch.settings import Settings
from nborch.showing import card, escaped, size

__all__ = ["NotebookResult", "result_of", "stored_result"]


@dataclass(frozen=True, slots=True)
class _Step:
    """What one cell of a notebook left behind."""

    given: Mapping[str, Given]
    made: Made | None = None


class NotebookResult(Mapping[str, Any]):
    """What came of a notebook's run, by name.

    >>> result = etl(month=7)                                    # doctest: +SKIP
    >>> result["clean"].shape, sorted(result)                    # doctest: +SKIP
    ((28931, 7), ['clean', 'delays', 'rows'])

    Its names are those that the notebook gave with `nborch.result`, and those that its
    ``%%task`` cells made. Only what is asked for is loaded, from the result cache, and
    each time anew. It can be pickled: the values stay where they are.

    Attributes
    ----------
    run, run_id
        The name and the id of the flow run.
    output
        The path of the executed notebook; None if none was written.
    """

    def __init__(
        self, run: Run, settings: Settings, steps: Iterable[_Step], output: str | None
    ) -> None:
        self.run, self.run_id = run.name, run.id
        self.of = run.of
        self.output = output
        self._settings = settings
        self._steps = tuple(steps)

    @cached_property
    def notebook(self) -> Any:
        """The executed notebook, as nbformat reads it."""
        if self.output is None:
            raise MissingResult(
                f"Flow run {self.run!r} wrote no notebook. Name a file for it: "
                f"notebook_flow(..., output='{self.of}.out.ipynb')."
            )
        return load_notebook(self.output)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Return the last step that has a value for each name."""
        places: dict[str, int] = {}
        for number, step in enumerate(self._steps):
            if step.made is not None:
                places.update(dict.fromkeys(step.made.types, number))
        # What was given on purpose comes before what a cell happens to make.
        for number, step in enumerate(self._steps):
            places.update(dict.fromkeys(step.given, number))
        return places

    def __getitem__(self, name: str) -> Any:
        place = self._places.get(name)
        if place is None:
            raise MissingResult(self._unknown(name))
        step = self._steps[place]
        cache = open_home(self._settings).cache
        if name in step.given:
            return self._load_given(step.given[name], cache)
        return self._load_made(name, place, cache)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        # NB. A mapping's own would load the value to see whether it is there.
        return name in self._places

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NotebookResult) and self.run_id == other.run_id

    def __hash__(self) -> int:
        return hash(self.run_id)

    def __deepcopy__(self, memo: object) -> "NotebookResult":
        # It changes no more, and nobody's values are in it.
        return self

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    # How values are loaded.

    def _load_given(self, given: Given, cache: ResultStore) -> Any:
        if given.value:
            # Each caller's own, as from the cache.
            return deepcopy(given.value[0])
        if given.key is None:
            raise MissingResult(
                f"The result {given.name!r} of flow run {self.run!r} was not kept: "
                f"{given.reason}."
            )
        entry = cache.lookup(given.key)
        if entry is None:
            raise MissingResult(self._gone(given.name))
        with _told(given.name, self.run):
            return entry.load(PART)

    def _load_made(self, name: str, place: int, cache: ResultStore) -> Any:
        made = self._steps[place].made
        if made is None or made.key is None:
            task, reason = (made.task, made.reason) if made else ("", None)
            raise MissingResult(
                f"The name {name!r}, which cell task {task!r} made, was not kept: the "
                f"cell {reason or 'is not cached'}. Give the value in the notebook "
                f"with: nborch.result({name}, {name!r})"
            )
        entry = cache.lookup(made.key)
        if entry is None:
            raise MissingResult(self._gone(name))
        with _told(name, self.run):
            return loaded_name(entry, name, _Earlier(self, place, cache))

    def _gone(self, name: str) -> str:
        return (
            f"The result {name!r} of flow run {self.run!r} is no longer in the result "
            "cache: it was cleared, or had to make room. Run the notebook again."
        )

    def _unknown(self, name: object) -> str:
        known = sorted(self._places)
        told = f" It has: {', '.join(known)}." if known else " It has no results."
        near = did_you_mean(str(name), known)
        return (
            f"Flow run {self.run!r} of {self.of!r} has no result {name!r}.{near}{told} "
            f"A notebook gives one with: nborch.result(value, {str(name)!r})"
        )

    # How it is shown.

    def listed(self) -> Iterator[tuple[str, str]]:
        """Yield each name with a few words about its value, which is not loaded."""
        for name, place in self._places.items():
            step = self._steps[place]
            given = step.given.get(name)
            if given is not None:
                plain = [repr(given.value[0])[:60]] if given.value else []
                large = [size(given.size)] if given.size else []
                yield name, ", ".join([given.type, *plain, *large])
            elif step.made is not None:
                kept = "" if step.made.key else ", not kept"
                yield name, f"{step.made.types[name]} of {step.made.task!r}{kept}"

    def __repr__(self) -> str:
        names = "".join(f"\n  {name}: {about}" for name, about in self.listed())
        return f"<NotebookResult of flow run {self.run!r}{names and ':'}{names}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        rows = [*self.listed(), ("notebook", self.output)]
        shown = card("Results of flow run", self.run, rows)
        if self.output is not None and Path(self.output).exists():
            link = f'<a href="{escaped(Path(self.output).as_uri())}">'
            path = escaped(self.output)
            shown["text/html"] = shown["text/html"].replace(path, f"{link}{path}</a>")
        return shown


class _Earlier(Mapping[str, Any]):
    """The names as they were before one cell, loaded when they are asked for."""

    def __init__(self, result: NotebookResult, place: int, cache: ResultStore) -> None:
        self._result = result
        self._place = place
        self._cache = cache
        # One object for one name: two references to it shall be the same.
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> Any:
        steps = self._result._steps  # noqa: SLF001  # its own
        for place in reversed(range(self._place)):
            made = steps[place].made
            if made is not None and name in made.types:
                load = self._result._load_made  # noqa: SLF001  # its own
                return load(name, place, self._cache)
        raise LookupError(f"{name!r} was made by a cell that is no cell task")

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@contextmanager
def _told(name: str, run: str) -> Iterator[None]:
    """Say of which result it was, if it cannot be loaded."""
    try:
        yield
    except MissingResult:
        raise
    except Exception as error:
        what = str(error.args[0] if error.args else error).rstrip(".")
        advice = (
            "Move the class or function into a module that both can import."
            if "__main__" in what
            else f"Give the value in the notebook with: nborch.result({name}, {name!r})"
        )
        raise MissingResult(
            f"The result {name!r} of flow run {run!r} cannot be loaded here: {what}. "
            f"{advice}"
        ) from error


def result_of(
    settings: Settings,
    run: Run,
    cells: Iterable[tuple[str, Mapping[str, Any]]],
    output: str | None = None,
) -> NotebookResult:
    """Return what came of a notebook's run.

    Parameters
    ----------
    settings
        Those that its kernel found, which say where its results are.
    cells
        The name of each cell's run and the facts that were noted of it, in order.
    output
        The path of the executed notebook.
    """
    steps = [_step(name, facts) for name, facts in cells]
    return NotebookResult(run, settings, filter(None, steps), output)


def _step(name: str, facts: Mapping[str, Any]) -> _Step | None:
    given = {n: Given.from_json(n, each) for n, each in facts.get(GIVEN, {}).items()}
    made = Made.from_json(name, facts[MADE]) if MADE in facts else None
    return _Step(given, made) if given or made else None


def stored_result(home: Home, record: RunRecord) -> NotebookResult:
    """Return what came of an earlier run of a notebook, by what is stored of it.

    Raises
    ------
    InvalidDeclaration
        It is not the run of a notebook.
    """
    run = record.run
    if run.kind is not RunKind.FLOW or "notebook" not in run.details:
        raise InvalidDeclaration(
            f"The {run.kind.value} run {run.name!r} of {run.of!r} is not the run of a "
            "notebook, and only those keep their results by name."
        )
    cells = [
        (child.run.of, child.run.details)
        for child in home.store.children(run.id)
        if "cell" in child.run.details
    ]
    return result_of(home.settings, run, cells, run.details.get("output"))
