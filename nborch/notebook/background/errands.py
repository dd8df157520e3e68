"""Errands: what a submitted cell does in a process of its own.

The process gets the names that the cell may read, runs the cell as the kernel would,
and sends back what it shows while it runs and what it has made when it is over.
"""

import asyncio
import os
import random
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from time import perf_counter
from types import FunctionType, ModuleType
from typing import Any

from nborch.cache.fingerprints import fingerprint
from nborch.cache.picklers import Unstorable
from nborch.context import current_run
from nborch.home import Home as Folder
from nborch.notebook.background.parcels import Home, Parcel, packed, unpacked
from nborch.notebook.background.scopes import effect_on
from nborch.notebook.bodies import Source
from nborch.notebook.cells import CellTask
from nborch.notebook.effects.namespace import is_shells
from nborch.notebook.effects.parts import TooManyParts, parts_of, shares_memory
from nborch.notebook.effects.surroundings import Surroundings, restore_generators

__all__ = ["PART", "Account", "Errand", "run"]

#: The part of an entry of the result cache that is a parcel.
PART = "parcel"
_CODE = FunctionType | type | ModuleType


@dataclass(frozen=True, slots=True)
class Errand:
    """A cell on its way to another process.

    Parameters
    ----------
    address
        Of the socket that what is shown goes to.
    key
        The cell's key in the kernel: it must be the same in the process.
    inputs, outputs
        The keys under which the parcels lie in the result cache.
    keeps
        Whether the result is kept for later runs.
    count
        The cell's number, as in ``In [3]``.
    mode
        Which values the shell displays.
    features
        What cells have imported from ``__future__``.
    history
        The earlier cells that may have seeded a random generator.
    generators
        The states of the random generators.
    """

    address: str
    source: Source
    key: str
    inputs: str
    outputs: str
    keeps: bool
    count: int
    file: str
    mode: str
    features: tuple[str, ...]
    history: tuple[str, ...]
    generators: Mapping[str, Any]


@dataclass(slots=True)
class Account:
    """What became of the cell, as the kernel needs to know it.

    Parameters
    ----------
    differs
        Why the cell was not run: the inputs are not what they are in the kernel.
    kept
        Whether the result was kept.
    reason
        Why it was not.
    aliases
        Names that were bound to the very object of an input.
    returned
        Inputs that travel back, because they were changed or are parts of outputs.
    changed
        Inputs that were changed in place.
    drawn
        The random generators that were used from where they stood.
    is_entangled
        Whether an output holds a part of an input, or an input was changed.
    lost
        Names that cannot travel back, with the reasons.
    environment
        Variables that were set or removed, the folder, and the import path.
    """

    differs: str | None = None
    kept: bool = False
    reason: str | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    is_entangled: bool = False
    lost: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    generators: dict[str, Any] = field(default_factory=dict)


def run(errand: Errand) -> None:
    """Do an errand; what the cell raises is raised."""
    context = current_run.get()
    if context is None:
        raise AssertionError("An errand is part of a run.")
    end = socket.socket(socket.AF_UNIX)
    end.connect(errand.address)
    with Connection(end.detach()) as connection:
        relay = Relay(connection)
        from nborch.notebook.background.errand_shells import ErrandShell, shell_for

        shell: ErrandShell = shell_for(errand, relay)
        try:
            _Doing(errand, context.home, shell, relay).run()
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()


class Relay:
    """Sends what is shown to the kernel, from any thread."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def tell(self, *message: Any) -> None:
        """Send a message: its kind, then what belongs to it."""
        # A kernel that is gone has no use for it.
        with self._lock, suppress(OSError):
            self._connection.send(message)


class _Doing:
    """One errand, step by step."""

    def __init__(self, errand: Errand, home: Folder, shell: Any, relay: Relay) -> None:
        self._errand = errand
        self._cache = home.cache
        self._shell = shell
        self._relay = relay
        self._names: dict[str, Any] = shell.user_ns
        self._account = Account()
        self._known: dict[str, str] = {}

    def run(self) -> None:
        errand, account = self._errand, self._account
        restore_generators(dict(errand.generators))
        problem = self._take_inputs()
        cell = CellTask(self._shell, self._cache, errand.source)
        if cell.key != errand.key:
            told = cell.reason or "its inputs look different in another process"
            account.differs = problem or told
            self._relay.tell("account", account)
            return
        self._relay.tell("began")
        self._known = self._compared(cell)
        before, surroundings = dict(self._names), Surroundings.now()
        arrived = {
            n: v for n, v in before.items() if isinstance(v, type | FunctionType)
        }
        started = perf_counter()
        try:
            self._execute(cell)
            if errand.keeps:
                account.kept = bool(cell.keep(None, perf_counter() - started))
                account.reason = cell.reason
        finally:
            # Also of a cell that raised: what it has bound before is bound.
            self._send_back(cell, before, arrived)
            self._note_surroundings(surroundings, cell)
            self._relay.tell("account", account)

    def _take_inputs(self) -> str | None:
        """Take the names that came; return why that cannot be."""
        entry = self._cache.lookup(self._errand.inputs)
        if entry is None:
            return "its inputs are gone from the result cache"
        home = Home(self._names, self._names)
        try:
            self._names.update(unpacked(entry.load(PART), home))
        except Exception as problem:  # noqa: BLE001  # anything that a user's object does
            told = f"{type(problem).__name__}: {problem}"
            return f"its inputs cannot be read in another process ({told})"
        return None

    def _execute(self, cell: CellTask) -> None:
        with self._shell.display_trap:
            if cell.analysis.is_async:
                asyncio.run(cell.execute_async())
            else:
                cell.execute()

    def _compared(self, cell: CellTask) -> dict[str, str]:
        """Return the fingerprints of all data that came, inputs or not."""
        known = {}
        for name, value in self._names.items():
            if not (name[:2] == "__" or isinstance(value, _CODE) or is_shells(name)):
                known[name] = cell.fingerprints.get(name) or _told(value)
        return {name: told for name, told in known.items() if told}

    def _send_back(
        self, cell: CellTask, before: Mapping[str, Any], arrived: Mapping[str, Any]
    ) -> None:
        account, names = self._account, self._names
        analysis = cell.analysis
        effect = effect_on(before, names, analysis.writes)
        held = {name: before[name] for name in self._known if name in before}
        changed = {n for n, v in held.items() if _told(v) != self._known[n]}
        values = dict(effect.bound)
        by_identity = {id(v): n for n, v in held.items() if n not in changed}
        for name, value in list(values.items()):
            source = by_identity.get(id(value))
            if source is not None and not _is_atom(value):
                account.aliases[name] = source
                del values[name]
        shared = _sharing(values, {n: v for n, v in held.items() if n not in changed})
        account.changed = tuple(sorted(changed))
        account.is_entangled = bool(changed or shared)
        account.returned = tuple(sorted(changed | shared))
        account.deleted = effect.deleted
        for name in sorted(n for n, v in arrived.items() if _changed(cell, n, v)):
            account.lost[name] = "what was changed in it stays in the process"
        result = self._shell.displayhook.shown
        back = {f"was {n}": held[n] for n in account.returned}
        whole = {f"is {n}": v for n, v in values.items()} | back
        self._keep(whole, result, Home(names, names, arrived))

    def _keep(self, whole: dict[str, Any], result: Any, home: Home) -> None:
        """Keep what travels back where the kernel finds it."""
        account = self._account
        if result is not None and not _travels({"last": result}, home):
            whole["last"] = result
        try:
            parcel = packed(whole, home)
        except Unstorable:
            for name in list(whole):
                if (problem := _travels({name: whole[name]}, home)) is not None:
                    account.lost[name.partition(" ")[2] or name] = problem
                    del whole[name]
            parcel = packed(whole, home)
        self._keep_parcel(parcel)

    def _keep_parcel(self, parcel: Parcel) -> None:
        told: list[str] = []
        kept = self._cache.keep(
            self._errand.outputs, {PART: parcel}, label="parcel", tell=told.append
        )
        if kept is None:
            raise Unstorable(f"what it made cannot be kept: {' '.join(told)}")

    def _note_surroundings(self, before: Surroundings, cell: CellTask) -> None:
        """Note what the kernel would have to change about itself."""
        after, found = Surroundings.now(), self._account.environment
        set_ = {
            name: value
            for name, value in after.environment.items()
            if before.environment.get(name) != value
        }
        gone = [n for n in before.environment if n not in after.environment]
        if self._account.reason and (set_ or gone):
            found["variables"] = set_, gone
        if after.folder != before.folder:
            found["folder"] = after.folder
        if after.path != before.path:
            found["path"] = after.path
        source = self._errand.source.body
        self._account.generators = before.generators_after(
            after, seeds="seed" in source
        )
        drawn = self._account.generators.keys() - cell.seeded
        self._account.drawn = tuple(sorted(drawn))


def _told(value: Any) -> str | None:
    try:
        return fingerprint(value)
    except Exception:  # noqa: BLE001  # then it counts as changed
        return None


def _changed(cell: CellTask, name: str, value: Any) -> bool:
    known = cell.fingerprints.get(name)
    return known is not None and _told(value) != known


def _is_atom(value: Any) -> bool:
    return value is None or isinstance(
        value, bool | int | float | complex | str | bytes
    )


def _sharing(values: Mapping[str, Any], inputs: Mapping[str, Any]) -> set[str]:
    """Return the inputs of which the values hold a part that can change."""
    found = set()
    with suppress(TooManyParts):
        theirs = parts_of(values.values())
        for name, value in inputs.items():
            parts = parts_of([value])
            same = parts.met.keys() & theirs.met.keys()
            if same or shares_memory(theirs.arrays, parts):
                found.add(name)
    return found


def _travels(values: Mapping[str, Any], home: Home) -> str | None:
    """Return why values cannot travel, or None if they can."""
    try:
        packed(values, home)
    except Unstorable as problem:
        return str(problem)
    return None


def generators() -> dict[str, Any]:
    """Return the states of this process's random generators."""
    states: dict[str, Any] = {"python": random.getstate()}
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        states["numpy"] = numpy_random.get_state()
    return states


def renew(environment: Mapping[str, Any]) -> None:
    """Change this process's surroundings as an errand changed those of its own."""
    set_, gone = environment.get("variables", ({}, ()))
    os.environ.update(set_)
    for name in gone:
        os.environ.pop(name, None)
    if "folder" in environment:
        with suppress(OSError):
            os.chdir(environment["folder"])
    if "path" in environment:
        sys.path[:] = environment["path"]


#: Called with the kind of a message and what belongs to it.
Receive = Callable[..., object]
