"""Cell tasks: a cell's body as a run that is restored where nothing has changed."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from typing import Any

from nborch.cache.base import KeptResult, ResultStore
from nborch.cache.code import is_local
from nborch.cache.fingerprints import fingerprint, fingerprints
from nborch.cache.serializers import Unstorable
from nborch.exceptions import Unfingerprintable
from nborch.lifecycle import Hit
from nborch.notebook.bodies import CellBody, Source
from nborch.notebook.candidates import find, found_by
from nborch.notebook.declared import Declarations
from nborch.notebook.displays.recording import Recording, record
from nborch.notebook.displays.replaying import replay
from nborch.notebook.effects.families import changed_class, class_digests
from nborch.notebook.effects.keeping import Restored, described, kept, phrase
from nborch.notebook.effects.namespace import (
    Changes,
    Uncachable,
    changes,
    inputs_of,
    is_shells,
)
from nborch.notebook.effects.preferences import preferences
from nborch.notebook.effects.recipes import recipes
from nborch.notebook.effects.seeding import may_seed, watch_seeds
from nborch.notebook.effects.surroundings import Surroundings, restore_generators
from nborch.notebook.files.traces import FileTrace, trace_files, traces_of
from nborch.notebook.imports import (
    imported_modules,
    module_fingerprints,
    used_modules,
)
from nborch.notebook.ingredients import Ingredients
from nborch.notebook.keys import CellKey
from nborch.view.badge import Badge

__all__ = ["CellTask"]

#: The parts of a kept cell beside its names: what was shown, and the state of the
#: random number generators if it changed.
SHOWN, GENERATORS = "shown", "generators"


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
        self.source = source
        self._name = source.name
        self._body = CellBody(shell, source)
        self._code = self._body.code
        self.declared = Declarations(source.asks, cache.folder.parent)
        self.analysis = self.declared.added_to(self._body.analysis)
        self.reason: str | None = None
        self.key: str | None = None
        #: Where its result lies, once it was kept or found.
        self.kept_as: str | None = None
        self.ingredients: Ingredients | None = None
        #: The digest of each name that the run has bound or changed; "" if unknown.
        self.made: dict[str, str] = {}
        #: The traces of the files that it read or made.
        self.files: Sequence[Mapping[str, Any]] = ()
        self._slot: str | None = None
        self._known: CellKey | None = None
        self._before: dict[str, Any] = {}
        self._surroundings: Surroundings | None = None
        self._seeded: set[str] = set()
        self._classes: Mapping[str, tuple[type, str]] = {}
        self._restoring: Restored | None = None
        self._trace: FileTrace | None = None
        self._recording: Recording | None = None
        self._started = time.perf_counter()
        if not self.analysis.is_empty:
            self._find_key()

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """Those of its inputs, as far as they were compared."""
        return self._known.fingerprints if self._known is not None else {}

    @property
    def file(self) -> str:
        """The name under which tracebacks find the cell's text."""
        return self._body.file

    @property
    def features(self) -> tuple[str, ...]:
        """What it is compiled by from ``__future__``."""
        return self._body.features

    @property
    def namespace(self) -> dict[str, Any]:
        """The user's names."""
        return self._shell.user_ns  # type: ignore[no-any-return]  # untyped shell

    @property
    def bound(self) -> frozenset[str]:
        """The names whose object is another one since the body began to run."""
        if self._surroundings is None:
            return frozenset()
        nothing = object()
        before = self._before
        return frozenset(
            name
            for name, value in self.namespace.items()
            if before.get(name, nothing) is not value and not is_shells(name)
        )

    @property
    def unbound(self) -> frozenset[str]:
        """The names that are gone since."""
        if self._restoring is not None:
            return frozenset(self._restoring.entry.meta["deleted"])
        gone = self._before.keys() - self.namespace.keys()
        return frozenset(name for name in gone if not is_shells(name))

    @property
    def seeded(self) -> frozenset[str]:
        """The random generators that it seeded before it drew from them."""
        return frozenset(self._seeded)

    @property
    def restored(self) -> KeptResult | None:
        """The earlier result that it is restored from, if there is one."""
        return self._restoring.entry if self._restoring is not None else None

    @property
    def seconds(self) -> float:
        """The seconds since it began."""
        return time.perf_counter() - self._started

    @property
    def cost(self) -> float:
        """The seconds that running it takes: now, or when its result was made."""
        kept = self._restoring
        return kept.entry.seconds if kept is not None else self.seconds

    # What the lifecycle asks for.

    def lookup(self) -> Hit | None:
        """Return the earlier run of this very cell on these very inputs, if any."""
        entry = self._find_entry()
        if entry is None or self.declared.is_too_old(entry.created_at):
            return None
        if not Restored.is_possible(entry, self.namespace):
            return None
        names = dict(self.namespace)
        try:
            self._body.execute_prelude()
            codes = self._body.compiled
            restoring = Restored.load(
                entry, self.analysis, names, self.namespace, codes
            )
        except Exception:  # noqa: BLE001  # the cell itself raises it where it belongs
            return None
        if restoring is None:
            return None
        self._restoring = restoring
        self.kept_as = entry.key
        self._learn(entry.meta)
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
            modules = module_fingerprints(
                [m for m in imported_modules(self._code) if is_local(m)]
            )
            last = self._recording.result if self._last_name(made) is None else None
            stored = kept(made, last, self._body.compiled)
        except (Uncachable, Unfingerprintable, Unstorable) as reason:
            self.reason = str(reason)
            return {}
        except Exception as fault:  # noqa: BLE001  # the cell has run; it must not fail
            self.reason = f"could not be kept ({type(fault).__name__}: {fault})"
            return {}
        meta: dict[str, Any] = {
            **described(made),
            "last": self._last_name(made),
            "drawn_from": self._drawn_from(parts),
            "files": files,
            "modules": modules,
            "made": self._made(made),
        }
        self._learn(meta)
        parts |= stored
        entry = self._cache.keep(
            self._slot or self.key,
            parts,
            meta=meta,
            seconds=seconds,
            expires_at=self.declared.expires_at(),
            label=self._name,
            tell=self._not_kept,
        )
        self.kept_as = entry.key if entry else None
        return {"cache_key": self.key} if entry else {}

    def _not_kept(self, reason: str) -> None:
        self.reason = phrase(reason)

    def decline(self, reason: str) -> None:
        """Keep nothing of this run, and say why."""
        self.reason, self.key = reason, None

    def _find_entry(self) -> KeptResult | None:
        """Return the result for what the cell depends on; settle where to keep one."""
        self._slot = self.key
        if self.key is None:
            return None
        entry, self._slot = find(self._cache, self.key, seeded=self.is_seeded)
        return entry

    def learn(self) -> None:
        """Take what is known of the cell, if another process has just run it."""
        entry = self._find_entry()
        if entry is not None:
            self.kept_as = entry.key
            self._learn(entry.meta)

    def _learn(self, meta: Mapping[str, Any]) -> None:
        """Take what became known of the cell by running it, now or earlier."""
        self.made = dict(meta.get("made", {}))
        self.files = meta["files"]
        if self.ingredients is not None:
            self.ingredients = self.ingredients.with_found(found_by(meta))

    # What the session asks for.

    def execute(self) -> Any:
        """Run the body in the user's namespace, recording what it shows and reads."""
        with self._watching():
            self._body.execute()

    async def execute_async(self) -> Any:
        """Run a body that awaits."""
        with self._watching():
            await self._body.execute_async()

    def restore(self) -> None:
        """Do and show again what the cell did and showed."""
        if self._restoring is None:
            return
        restoring = self._restoring
        restoring.bind(self.namespace)
        name = restoring.entry.meta["last"]
        result = restoring.last[0] if restoring.last else self.namespace.get(name)
        restore_generators(restoring.parts.get(GENERATORS, {}))
        replay(self._shell, restoring.parts[SHOWN], result)

    def badge(self, *, hit: bool) -> Badge | None:
        """Return the line that says what came of it; none for an empty cell."""
        if self.analysis.is_empty:
            return None
        seconds = self.seconds
        name = self._name
        if hit and self._restoring:
            saved = self._restoring.entry.seconds
            return Badge(name, "cached", seconds, saved_seconds=saved)
        if self.reason:
            return Badge(name, "uncached", seconds, reason=self.reason)
        return Badge(name, "ran", seconds)

    # How it is done.

    def _find_key(self) -> None:
        """Set the key, or the reason why there is none."""
        names, told = self.namespace, self.declared
        self._known = known = CellKey(self._body, self.analysis, told, names)
        self.reason, self.ingredients = known.reason, known.ingredients
        if self.ingredients is not None:
            self.key = self.ingredients.key

    def _watching(self) -> ExitStack:
        """Start to record; what is found is kept in this object."""
        if self._slot is None:
            self._find_entry()
        if self._surroundings is None:
            # Of several attempts, the first one began with what there was.
            self._before = dict(self.namespace)
            self._surroundings = Surroundings.now()
            self._classes = class_digests(self.namespace)
        stack = ExitStack()
        earlier = self._trace
        self._trace = stack.enter_context(trace_files(self._cache.folder.parent))
        if earlier is not None:
            self._trace.follow(earlier)
        self._recording = stack.enter_context(record(self._shell))
        if self.is_seeded:
            self._seeded = stack.enter_context(watch_seeds(self._code))
        return stack

    def _changes(self) -> Changes:
        written = self._trace.written if self._trace else ()
        self.declared.check(self._before, self.namespace, written)
        if self._recording is not None and self._recording.obstacle:
            raise Uncachable(self._recording.obstacle)
        if (name := changed_class(self._classes, self.namespace)) is not None:
            raise Uncachable(f"changes what {name!r} refers to")
        modules = used_modules(self._code, inputs_of(self.analysis, self._before))
        known = self._known.modules if self._known is not None else {}
        for name, after in fingerprints(modules).each.items():
            if known.get(name) != after:
                raise Uncachable(f"changes what {name!r} refers to")
        made = changes(self.analysis, self._before, self.namespace, self.fingerprints)
        same = {n for n, v in self.namespace.items() if self._before.get(n) is v}
        same -= {*made.contents, *made.mutated}
        same |= self.analysis.prelude_names
        again = recipes(self._code, made.values, self.namespace, same)
        return replace(made, recipes=again)

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
        if self._known is not None and preferences() != self._known.preferences:
            raise Uncachable("changes settings of a library")
        states = before.generators_after(
            after, seeds="seed" in self._code, seeded=self._seeded
        )
        return {GENERATORS: states} if states else {}

    def _drawn_from(self, parts: Mapping[str, Any]) -> dict[str, str]:
        """Return what tells the state of each generator that was used, before.

        Where one that the cell seeds itself stood does not matter.
        """
        before = self._surroundings
        used = parts.get(GENERATORS, {}).keys() - self._seeded
        return before.generators(used) if before is not None else {}

    @property
    def is_seeded(self) -> bool:
        """Tell whether a cell of this kernel may have seeded a random generator."""
        return may_seed(self._shell.user_ns["In"])

    def _made(self, made: Changes) -> dict[str, str]:
        """Return the digest of each name that the cell bound or changed."""
        digests = {name: self.fingerprints[s] for name, s in made.aliases.items()}
        for name, value in made.outputs.items():
            try:
                digests[name] = fingerprint(value)
            except Exception:  # noqa: BLE001  # it can be stored, not compared
                digests[name] = ""
        return dict.fromkeys(self.analysis.prelude_names, "") | digests

    def _last_name(self, made: Changes) -> str | None:
        """Return a name of the value that was shown last, so that ``_`` gets it."""
        shown = self._recording.result if self._recording else None
        names = (*made.outputs, *made.aliases)
        bound = (n for n in names if n in self.namespace)
        return next((n for n in bound if self.namespace[n] is shown), None)
