"""Jobs: cells in the background, each with a thread that sees to it."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from nborch import blocking
from nborch.cache.picklers import Unstorable
from nborch.context import RunContext
from nborch.exceptions import CancelledRun, FailedRun, UpstreamTaskError
from nborch.lifecycle import lifecycle
from nborch.notebook.analysis import CellAnalysis
from nborch.notebook.background.errands import PART, Account, generators
from nborch.notebook.background.scopes import Effect, effect_on
from nborch.notebook.background.side_bodies import ProcessBody, ThreadBody
from nborch.notebook.background.side_effects import (
    Missing,
    SideRecall,
    inputs_for,
    missing_names,
    returned,
)
from nborch.notebook.background.side_shells import SideShell
from nborch.notebook.background.stages import STAGES, Stage, Standing, listed
from nborch.notebook.bodies import Source
from nborch.notebook.cells import CellTask
from nborch.notebook.displays.posting import redirect
from nborch.notebook.effects.namespace import is_shells
from nborch.notebook.effects.preferences import preferences
from nborch.notebook.preparing import Prepared, prepare
from nborch.states import State
from nborch.task_runners.surroundings import Surroundings as Settings

__all__ = ["Job"]


class Job:
    """One cell in the background.

    Parameters
    ----------
    shell
        The shell with the cell's own names.
    scope
        The notebook's namespace.
    needs
        The jobs that make what it reads, and whether their names have to be bound in
        the notebook before.
    tell
        Called in its thread whenever something has happened.
    """

    def __init__(  # noqa: PLR0913  # each is a fact of it
        self,
        shell: SideShell,
        scope: dict[str, Any],
        source: Source,
        analysis: CellAnalysis,
        parent: RunContext,
        *,
        needs: Mapping["Job", bool],
        tell: Callable[["Job"], object],
        changed: threading.Condition,
    ) -> None:
        self.name = source.name
        self.source = source
        self.analysis = analysis
        self.mode = source.asks.submit or "process"
        self.reason: str | None = None
        self.stage = Stage.WAITING if needs else Stage.RUNNING
        self.shell = shell
        #: The names as they were when it was submitted.
        self.before: dict[str, Any] = dict(shell.user_ns)
        self.effect: Effect | None = None
        self.error: BaseException | None = None
        #: What earlier jobs have bound since it was submitted.
        self.since: dict[str, Any] = {}
        #: Names that a later cell has bound meanwhile.
        self.dropped: set[str] = set()
        #: Names that stay in the process, with the reasons.
        self.lost: dict[str, str] = {}
        self.notes: list[str] = []
        self.is_bound = False
        self.run_id: str | None = None
        self.ready: Prepared | None = None
        self.final: State | None = None
        self.account: Account | None = None
        #: What is left to be done between two cells.
        self.finish: Callable[[], object] | None = None
        self.started = time.monotonic()
        self.seconds = 0.0
        self._scope = scope
        self._parent = parent
        self._needs = dict(needs)
        self._tell = tell
        self._changed = changed
        self._inputs: str | None = None
        self._outputs: str | None = None
        self._settings = Settings.current()
        self.generators = generators()
        self._body: ProcessBody | ThreadBody | None = None
        self._recall: SideRecall | None = None
        self._is_cancelled = False
        self._display_id = uuid4().hex
        self._is_shown = False
        self.thread = threading.Thread(
            target=copy_context().run,
            args=(self._run,),
            name=f"nborch-{self.name}",
            daemon=True,
        )

    @property
    def makes(self) -> frozenset[str]:
        """The names that it may bind, delete or change."""
        told = self.analysis
        names = told.writes | told.maybe_writes | told.deletes | told.mutates
        return frozenset(
            name
            for name in names | told.prelude_names | {*(self.source.asks.makes or ())}
            if not is_shells(name)
        )

    @property
    def state(self) -> str:
        """How far it is: ``"waiting"``, ``"running"``, ``"completed"``, ..."""
        return self.stage.value

    @property
    def parent(self) -> RunContext:
        """The run that it belongs to."""
        return self._parent

    @property
    def elapsed(self) -> float:
        """The seconds since it was submitted."""
        return self.seconds or time.monotonic() - self.started

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self.stage.is_over, timeout)

    def cancel(self) -> bool:
        """End it; return whether it was not over yet."""
        with self._changed:
            if self.stage.is_over or self._is_cancelled:
                return False
            self._is_cancelled = True
            self._changed.notify_all()
        body = self._body
        if body is not None:
            body.cancel()
        return True

    def release(self) -> None:
        """Let go of values, when nobody needs them of it any more."""
        self.before, self.since, self.effect = {}, {}, None
        self.ready = self._recall = None

    def __repr__(self) -> str:
        return f"<Job {self.name!r}: {self.stage.value} ({self.mode})>"

    def start(self) -> None:
        """Begin; what it needs is waited for in its own thread."""
        self.show()
        self.thread.start()

    def prepared(self) -> Prepared:
        """Return its run, made ready."""
        return prepare(self.shell, self.source, self._parent)

    def load(self) -> None:
        """Keep its inputs where a process finds them, or settle for a thread."""
        ready = self.ready
        if ready is None or self.mode != "process":
            return
        cell = ready.cell
        reason = cell.reason if cell.key is None else None
        if reason is None and self.analysis.settings:
            reason = "changes settings, which count in the kernel"
        if reason is None and preferences():
            reason = "settings of libraries were changed in the kernel"
        if reason is None:
            reason = self._kept_inputs(cell)
        if reason is not None:
            self.mode, self.reason = "thread", reason
        self._mark(ready)

    def _kept_inputs(self, cell: CellTask) -> str | None:
        """Keep the inputs; return why that cannot be."""
        try:
            parcel = inputs_for(cell, self.shell.user_ns, self._scope)
        except Unstorable as problem:
            return str(problem)
        told: list[str] = []
        key = f"inputs of {uuid4().hex}"
        entry = self._cache.keep(
            key, {PART: parcel}, label="parcel", seconds=1e6, tell=told.append
        )
        if entry is None:
            return f"its inputs cannot be kept: {' '.join(told)}"
        self._inputs = key
        return None

    def _mark(self, ready: Prepared) -> None:
        """Note in the run how it runs."""
        context = ready.performer.context
        details = {**context.run.details, "submitted": self.mode}
        context.run = replace(context.run, details=details)
        self.run_id = context.run.id

    @property
    def _cache(self) -> Any:
        return self._parent.home.cache

    # What its thread does.

    def _run(self) -> None:
        try:
            with redirect(self.shell.post):
                self._go()
        except BaseException as error:  # noqa: BLE001  # told where its names are read
            self.error = self.error or error
            self.stage = Stage.CANCELLED if self._is_cancelled else Stage.FAILED
        self.seconds = time.monotonic() - self.started
        for key in filter(None, (self._inputs, self._outputs)):
            self._cache.forget(key)
        self._tell(self)

    def _go(self) -> None:
        missing = self._await_needs()
        ready = self.ready
        if ready is None:
            ready = self.ready = self.prepared()
            if missing is None:
                self.load()
        self._mark(ready)
        if self.stage is Stage.WAITING:
            self.stage = Stage.RUNNING
            self.show()
        performer, steps = ready.performer, ready.steps
        if missing is not None:
            performer.needs = Missing(missing)
            steps = lifecycle(performer.context.spec, gathers=True)
        watches = self.mode == "thread"
        self._recall = SideRecall(ready.cell, self.before, watches=watches)
        performer.recall = self._recall
        function = partial(ready.attempts.run, self._call)
        state = blocking.drive(steps, performer, function)
        self.final = state
        if isinstance(state.data, BaseException):
            self.error = state.data
        self._take_effect(ready.cell, state)
        self.stage = STAGES.get(state.type.value, Stage.FAILED)

    def _await_needs(self) -> Exception | None:
        """Wait for the jobs it needs; return why it cannot run, if one failed."""

        def is_over() -> bool:
            return self._is_cancelled or all(
                job.is_bound or (job.effect is not None and not deep)
                for job, deep in self._needs.items()
            )

        with self._changed:
            self._changed.wait_for(is_over)
        if self._is_cancelled:
            return CancelledRun(f"{self.name!r} was cancelled before it began.")
        for job in self._needs:
            if job.error is not None:
                return job.failure(self.analysis.reads, self.name)
            if job.effect is not None:
                job.effect.apply(self.shell.user_ns)
                # What they were before is what the others have made of them.
                job.effect.apply(self.before)
        self._needs.clear()
        return None

    def failure(
        self, reads: Iterable[str] = (), reader: str | None = None
    ) -> UpstreamTaskError:
        """Return the error of whoever reads what this was to make."""
        names = (self.makes & {*reads}) or self.makes
        verb = "was cancelled" if self._is_cancelled else "failed"
        return missing_names(names, self.name, verb, self.error, reader)

    # The body.

    def _call(self) -> None:
        ready = self.ready
        if ready is None or self._is_cancelled:
            raise CancelledRun(f"{self.name!r} was cancelled.")
        if self.mode == "process":
            self._in_a_process(ready)
            if self.account is None or self.account.differs is None:
                return
            self._give_up_process(ready, self.account.differs)
        body = self._body = ThreadBody(ready.cell)
        try:
            body.run()
        finally:
            self._body = None

    def _give_up_process(self, ready: Prepared, reason: str) -> None:
        """Run in a thread instead."""
        self.mode, self.reason = "thread", reason
        self.account = None
        self._recall = SideRecall(ready.cell, self.before, watches=True)
        ready.performer.recall = self._recall
        self.show()

    def _in_a_process(self, ready: Prepared) -> None:
        self.account = None
        self._outputs = f"outputs of {uuid4().hex}"
        body = ProcessBody(
            ready.cell,
            self.shell,
            inputs=str(self._inputs),
            outputs=self._outputs,
            generators=self.generators,
        )
        self._body = body
        body.began = self._began
        try:
            body.run(ready.performer.context, self._settings)
        finally:
            self._body = None
            self.account = body.account
            if self._recall is not None:
                self._recall.account = body.account

    def _began(self) -> None:
        """Hear that the process is there and runs the body."""

    # What came of it.

    def _take_effect(self, cell: CellTask, state: State) -> None:
        account = self.account
        if state.name == "Cached":
            self._finish_later(cell.restore)
        elif self.mode == "thread":
            names = self.shell.user_ns
            surely = self.analysis.writes if state.is_completed() else ()
            self.effect = effect_on(self.before, names, surely)
        elif account is None:
            self.effect = Effect(before=self.before)
        elif account.is_entangled and account.kept and cell.lookup() is not None:
            self._finish_later(partial(self._restore_silently, cell))
        else:
            self._take_returns(account)

    def _finish_later(self, restore: Callable[[], object]) -> None:
        """Do between two cells what may change objects that others hold."""

        def finish() -> None:
            with redirect(self.shell.post):
                restore()
            self.effect = effect_on(self.before, self.shell.user_ns)

        self.finish = finish

    def _restore_silently(self, cell: CellTask) -> None:
        # It was all shown while the cell ran.
        self.shell.post.is_muted = True
        try:
            cell.restore()
        finally:
            self.shell.post.is_muted = False

    def _take_returns(self, account: Account) -> None:
        """Take the names that the process has sent back."""
        entry = self._cache.lookup(str(self._outputs))
        if entry is None:
            raise FailedRun(
                f"What {self.name!r} has made in its process is gone from the result "
                "cache. Run the cell again."
            )
        parcel, names = entry.load(PART), self.shell.user_ns
        back = returned(parcel, account, self._scope, self.before, names)
        self.effect, self.shell.displayhook.shown = back.effect, back.last
        self.lost = dict(account.lost)

    # What is shown.

    def show(self) -> None:
        """Show how far it is, in the one line under the cell."""
        badge = self._standing().badge()
        display_id = {"display_id": self._display_id}
        post, update = self.shell.post, self._is_shown
        post.publish(badge.bundle(), transient=display_id, update=update)
        self._is_shown = True

    def _standing(self) -> Standing:
        made = None
        if self.stage is Stage.COMPLETED and self.ready and self.final:
            made = self.ready.cell.badge(hit=self.final.name == "Cached")
        waits = [
            f"for {listed(job.makes & self.analysis.reads or job.makes)} "
            f"(task {job.name})"
            for job in self._needs
        ]
        notes = [f"`{name}` stays there: {why}" for name, why in self.lost.items()]
        return Standing(
            self.name,
            self.stage,
            self.mode,
            self.elapsed,
            self.reason,
            waits,
            [*self.notes, *notes],
            self.error,
            made,
        )
