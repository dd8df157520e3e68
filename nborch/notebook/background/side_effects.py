"""What goes to a cell in the background and what comes back, and how it is kept."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nborch.cache.fingerprints import fingerprint
from nborch.cache.picklers import Unstorable
from nborch.exceptions import UpstreamTaskError
from nborch.futures import Future
from nborch.notebook.background.errands import Account
from nborch.notebook.background.parcels import Home, Parcel, packed, unpacked
from nborch.notebook.background.scopes import Effect, Scope, effect_on
from nborch.notebook.cells import CellTask
from nborch.notebook.effects.namespace import is_shells
from nborch.notebook.effects.surroundings import Surroundings
from nborch.results import Recall

__all__ = [
    "Missing",
    "Returns",
    "SideRecall",
    "inputs_for",
    "missing_names",
    "returned",
]


def inputs_for(
    cell: CellTask, names: Mapping[str, Any], scope: dict[str, Any]
) -> Parcel:
    """Return a parcel of all that a cell may read.

    Raises
    ------
    Unstorable
        Something of it lives in this process only.
    """
    read = {n: names[n] for n in sorted(cell.analysis.reads) if n in names}
    own = {n: v for n, v in read.items() if n != "get_ipython" and not is_shells(n)}
    home = Home(scope, names)
    try:
        return packed(own, home)
    except Unstorable:
        for name, value in own.items():
            try:
                packed({name: value}, home)
            except Unstorable as problem:
                told = f"reads `{name}`: {problem}"
                raise Unstorable(told) from None
        raise


@dataclass(frozen=True, slots=True)
class Returns:
    """What a process has sent back.

    Parameters
    ----------
    last
        The value that was shown last, if it could travel.
    """

    effect: Effect
    last: Any


def returned(
    parcel: Parcel,
    account: Account,
    scope: dict[str, Any],
    before: Mapping[str, Any],
    names: Scope,
) -> Returns:
    """Take what a process has sent back into the names of its cell.

    Parameters
    ----------
    scope
        The notebook's namespace.
    before
        What the names were when the cell was submitted.
    """
    values = unpacked(parcel, Home(scope, before))
    changed = [
        (before.get(name), values[f"was {name}"])
        for name in account.returned
        if f"was {name}" in values
    ]
    fresh = {id(old): new for old, new in changed}
    for name, value in before.items():
        if id(value) in fresh and not is_shells(name):
            names[name] = fresh[id(value)]
    for name, source in account.aliases.items():
        names[name] = names[source]
    made = {
        name.removeprefix("is "): value
        for name, value in values.items()
        if name.startswith("is ")
    }
    names.update(made)
    for name in account.deleted:
        names.pop(name, None)
    return Returns(effect_on(before, names, made, changed), values.get("last"))


def missing_names(
    names: Iterable[str],
    task: str,
    verb: str,
    error: BaseException | None,
    reader: str | None = None,
) -> UpstreamTaskError:
    """Return the error of whoever reads names that a task was to make.

    Parameters
    ----------
    verb
        What became of the task: it ``"failed"`` or ``"was cancelled"``.
    reader
        The task that reads them; a plain cell if not given.
    """
    told = type(error).__name__
    with suppress(Exception):
        first = str(error).partition("\n")[0]
        told = f"{told}: {first}" if first else told
    listed = ", ".join(f"{name!r}" for name in sorted(names))
    whom = f"{reader!r} needs" if reader else "This cell needs"
    failed = UpstreamTaskError(
        f"{whom} {listed} of the task {task!r}, which {verb} in the background: "
        f"{told.rstrip('.')}. Run that cell again first."
    )
    failed.__cause__ = error
    return failed


class Missing:
    """What cannot be had, as `nborch.performing.Needs`."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        # It was waited for.
        self.futures: Sequence[Future[Any]] = ()

    def take(self) -> Exception | None:
        """Return why."""
        return self._error

    def recall(self) -> Recall | None:
        """Return None: nothing is looked up."""
        return None


class SideRecall:
    """How the result of a cell in the background is looked up and kept: as its own.

    Parameters
    ----------
    before
        What its names were when it was submitted.
    watches
        Whether it runs in this process, where other cells may change what it reads.
    """

    def __init__(
        self, cell: CellTask, before: Mapping[str, Any], *, watches: bool
    ) -> None:
        self._cell = cell
        self._before = before
        self._surroundings = Surroundings.now() if watches else None
        #: What came of it in a process.
        self.account: Account | None = None
        self.lookup = cell.lookup
        self.claim = cell.claim

    @property
    def key(self) -> str | None:
        """What it is kept under."""
        return self._cell.key

    def keep(self, value: Any, seconds: float) -> dict[str, Any]:
        """Keep the result; return facts for the state."""
        cell, account = self._cell, self.account
        if account is not None:
            cell.reason = account.reason
            return {"cache_key": cell.key} if account.kept else {}
        changed = self._changed()
        if changed is not None:
            cell.decline(changed)
        return cell.keep(value, seconds)

    def _changed(self) -> str | None:
        """Return what makes a cell in a thread one that cannot be kept."""
        cell, before = self._cell, self._surroundings
        if before is not None and before.generators_after(
            Surroundings.now(), seeds="seed" in cell.source.body
        ):
            return "draws random numbers while other cells may"
        for name, known in cell.fingerprints.items():
            with suppress(Exception):
                if name in self._before and fingerprint(self._before[name]) == known:
                    continue
            return f"`{name}` was changed in place while it ran"
        return None
