"""Cell tasks: a cell's body as a run that is restored where nothing has changed."""

import os
import time
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import ModuleType
from typing import Any

from nborch.cache.base import KeptResult, ResultStore
from nborch.cache.code import ast_digest, is_local
from nborch.cache.fingerprints import fingerprints
from nborch.cache.keys import cache_key
from nborch.exceptions import Unfingerprintable
from nborch.lifecycle import Hit
from nborch.notebook.bodies import CellBody, Source
from nborch.notebook.imports import (
    imported_modules,
    module_fingerprints,
    setting_changed,
    used_modules,
)
from nborch.notebook.namespace import (
    Changes,
    Uncachable,
    changes,
    inputs_of,
    is_plain,
    is_repeatable,
    rebind,
)
from nborch.notebook.recording import Recording, record, replay
from nborch.notebook.surroundings import Surroundings, restore_generators
from nborch.notebook.traces import FileTrace, trace_files, traces_of, unchanged
from nborch.view.badge import Badge

__all__ = ["CellTask"]

#: The parts of a kept cell: the values of names, what was shown, the last value if no
#: name has it, and the state of the random number generators if it changed.
NAMES, SHOWN, LAST, GENERATORS = "names", "shown", "last", "generators"


class CellTask:
    """One run of a cell under ``%%task``.

    It is what the lifecycle recalls by (see `nborch.results.Recall`) and calls.

    Parameters
    ----------
    shell
        The IPython shell whose namespace the body runs in.
    """

    def __init__(self, shell: Any, cache: ResultStore, source: Source) -> None:
        self._shell = shell
        self._cache = cache
        self._name = source.name
        self._body = CellBody(shell, source)
        self._code = self._body.code
        self.analysis = self._body.analysis
        self.reason: str | None = None
        self.key: str | None = None
        self._fingerprints: dict[str, str] = {}
        self._modules: Mapping[str, str] = {}
        self._before: dict[str, Any] = {}
        self._surroundings: Surroundings | None = None
        self._restoring: tuple[KeptResult, dict[str, Any]] | None = None
        self._trace: FileTrace | None = None
        self._recording: Recording | None = None
        self._started = time.perf_counter()
        if not self.analysis.is_empty:
            self._find_key()

    @property
    def namespace(self) -> dict[str, Any]:
        """The user's names."""
        return self._shell.user_ns  # type: ignore[no-any-return]  # untyped shell

    # What the lifecycle asks for.

    def lookup(self) -> Hit | None:
        """Return the earlier run of this very cell on these very inputs, if any."""
        entry = self.key and self._cache.lookup(self.key)
        if not entry:
            return None
        meta: Mapping[str, Any] = entry.meta
        if (
            unchanged(meta["files"])
            or not _same_modules(meta["modules"])
            or not is_repeatable(self.namespace, meta["mutated"])
            or not self._draws_the_same(meta["drawn_from"])
        ):
            return None
        try:
            self._body.execute_prelude()
            # All of it now: what cannot be loaded is found while the cell can run.
            loaded = {part: entry.load(part) for part in entry.parts}
        except Exception:  # noqa: BLE001  # the cell itself raises it where it belongs
            return None
        self._restoring = entry, loaded
        return Hit(None, {"cache_key": self.key, "saved_seconds": entry.seconds})

    def claim(self, timeout: float) -> AbstractContextManager[bool]:
        """Become the only one who runs this cell on these inputs."""
        if self.key is None:
            return nullcontext(enter_result=True)
        return self._cache.claim(self.key, timeout)

    def keep(self, _value: Any, seconds: float) -> dict[str, Any]:
        """Keep what the cell did, if it can be done again without running it."""
        if self.key is None or self._recording is None or self._trace is None:
            return {}
        parts: dict[str, Any] = {SHOWN: self._recording.outputs}
        try:
            parts |= self._generators()
            self._trace.check_processes()
            made = self._changes()
            files = traces_of(self._trace)
            modules = module_fingerprints(self._local_imports())
        except (Uncachable, Unfingerprintable) as reason:
            self.reason = str(reason)
            return {}
        except Exception as fault:  # noqa: BLE001  # the cell has run; it must not fail
            self.reason = f"could not be kept ({type(fault).__name__}: {fault})"
            return {}
        meta: dict[str, Any] = {
            "aliases": made.aliases,
            "mutated": list(made.mutated),
            "deleted": list(made.deleted),
            "last": self._last_name(made),
            "drawn_from": self._drawn_from(parts),
            "files": files,
            "modules": modules,
        }
        parts[NAMES] = made.values
        last = self._recording.result
        if meta["last"] is None and is_plain(last):
            parts[LAST] = last
        entry = self._cache.keep(
            self.key,
            parts,
            meta=meta,
            seconds=seconds,
            label=self._name,
            tell=self._not_kept,
        )
        return {"cache_key": self.key} if entry else {}

    def _not_kept(self, reason: str) -> None:
        self.reason = reason

    # What the session asks for.

    def execute(self) -> Any:
        """Run the body in the user's namespace, recording what it shows and reads."""
        with self._watching():
            for code in self._body.compiled():
                exec(code, self.namespace)  # noqa: S102  # the user's own cell

    async def execute_async(self) -> Any:
        """Run a body that awaits."""
        with self._watching():
            for code in self._body.compiled():
                value = eval(code, self.namespace)  # noqa: S307  # the user's own cell
                if isinstance(value, Awaitable):
                    await value

    def restore(self) -> None:
        """Do and show again what the cell did and showed."""
        if self._restoring is None:
            return
        entry, loaded = self._restoring
        meta: Mapping[str, Any] = entry.meta
        made = Changes(
            aliases=meta["aliases"],
            mutated=tuple(meta["mutated"]),
            deleted=tuple(meta["deleted"]),
        )
        rebind(self.namespace, loaded[NAMES], made)
        last = meta["last"]
        result = self.namespace.get(last) if last else loaded.get(LAST)
        restore_generators(loaded.get(GENERATORS, {}))
        replay(self._shell, loaded[SHOWN], result)

    def badge(self, *, hit: bool) -> Badge | None:
        """Return the line that says what came of it; none for an empty cell."""
        if self.analysis.is_empty:
            return None
        seconds = time.perf_counter() - self._started
        name = self._name
        if hit and self._restoring:
            saved = self._restoring[0].seconds
            return Badge(name, "cached", seconds, saved_seconds=saved)
        if self.reason:
            return Badge(name, "uncached", seconds, reason=self.reason)
        return Badge(name, "ran", seconds)

    # How it is done.

    def _find_key(self) -> None:
        """Set the key, or the reason why there is none."""
        self.reason = next(self._obstacles(), None)
        if self.reason is not None:
            return
        values = inputs_of(self.analysis, self.namespace)
        others = {n: v for n, v in values.items() if not isinstance(v, ModuleType)}
        try:
            found = fingerprints(others)
            self._modules = fingerprints(used_modules(self._code, values)).each
            libraries = module_fingerprints(self._library_imports())
        except Unfingerprintable as error:
            self.reason = f"reads {error}"
            return
        except Exception as fault:  # noqa: BLE001  # the cell must run all the same
            self.reason = f"cannot be compared ({type(fault).__name__}: {fault})"
            return
        self._fingerprints = dict(found.each)
        undefined = {
            name: "undefined"
            for name in self.analysis.reads - values.keys()
            if name not in self.namespace and name not in _BUILTINS
        }
        inputs = {f"name {n}": f for n, f in (self._fingerprints | undefined).items()}
        inputs |= {
            f"module {n}": f for n, f in (libraries | dict(self._modules)).items()
        }
        inputs |= self._variables()
        self.key = cache_key(
            body=ast_digest(self._code),
            inputs=inputs,
            options={"sharing": found.sharing},
        )

    def _obstacles(self) -> Iterator[str]:
        """Yield why nothing can be known of the cell before it runs."""
        analysis = self.analysis
        yield from analysis.dynamic
        yield from analysis.effects
        for module in analysis.star_imports:
            yield f"imports * from {module}"
        for name in sorted(analysis.history):
            yield f"reads {name!r}, which depends on what ran before"
        modules = {n for n, v in self.namespace.items() if isinstance(v, ModuleType)}
        for name in sorted(analysis.reaches_into & modules):
            yield f"changes the module {name!r}"
        if called := setting_changed(self._code, modules | analysis.prelude_names):
            yield f"calls {called}(), which changes settings of a library"
        for name in analysis.unrestorable:
            yield f"defines {name!r}, which has to be executed"

    def _variables(self) -> dict[str, str]:
        """Return the environment variables that the cell asks for by name."""
        if "env" not in self._code:
            return {}
        named = (n for n in self.analysis.literals if n.replace("_", "").isalnum())
        return {f"variable {n}": repr(os.environ.get(n)) for n in named}

    def _library_imports(self) -> list[str]:
        return [m for m in imported_modules(self._code) if not is_local(m)]

    def _local_imports(self) -> list[str]:
        return [m for m in imported_modules(self._code) if is_local(m)]

    def _watching(self) -> ExitStack:
        """Start to record; what is found is kept in this object."""
        self._before = dict(self.namespace)
        self._surroundings = Surroundings.now()
        stack = ExitStack()
        self._trace = stack.enter_context(trace_files(self._cache.folder.parent))
        self._recording = stack.enter_context(record(self._shell))
        return stack

    def _changes(self) -> Changes:
        if self._recording is not None and self._recording.live:
            raise Uncachable("shows a widget, which lives in the kernel")
        modules = used_modules(self._code, inputs_of(self.analysis, self._before))
        for name, after in fingerprints(modules).each.items():
            if self._modules.get(name) != after:
                raise Uncachable(f"changes what {name!r} refers to")
        return changes(self.analysis, self._before, self.namespace, self._fingerprints)

    def _generators(self) -> dict[str, Any]:
        """Return the part with the generators' states, if the cell changed any.

        Raises
        ------
        Uncachable
            The cell changed something else of the process.
        """
        before, after = self._surroundings, Surroundings.now()
        if before is None:
            return {}
        before.check_against(after, imports="env" not in self._code)
        states = before.generators_after(after, seeds="seed" in self._code)
        return {GENERATORS: states} if states else {}

    def _drawn_from(self, parts: Mapping[str, Any]) -> dict[str, str]:
        """Return what tells the state of each generator that was used, before."""
        before = self._surroundings
        used = parts.get(GENERATORS, {})
        return before.generators(used) if before is not None else {}

    def _draws_the_same(self, known: Mapping[str, str]) -> bool:
        """Tell whether the generators that the cell used are as they were then.

        That counts only where somebody seeds them: in any other notebook they start
        from chance, and a cell that draws is kept like any other.
        """
        if not known or not any("seed" in cell for cell in self._shell.user_ns["In"]):
            return True
        return Surroundings.now().generators(known) == dict(known)

    def _last_name(self, made: Changes) -> str | None:
        """Return a name of the value that was shown last, so that ``_`` gets it."""
        shown = self._recording.result if self._recording else None
        names = (*made.values, *made.aliases)
        bound = (n for n in names if n in self.namespace)
        return next((n for n in bound if self.namespace[n] is shown), None)


_BUILTINS = frozenset(dir(__import__("builtins")))


def _same_modules(known: Mapping[str, str]) -> bool:
    try:
        return module_fingerprints(known) == dict(known)
    except (Unfingerprintable, ImportError):
        return False
