"""Cell tasks abreast: a notebook flow runs independent ones at the same time.

The notebook comes out as if its cells had run one after the other. A task begins early,
in a process of its own, on the names as they are by then. What it made is accepted in
its turn: when no earlier task is under way that could make a difference, and if its
inputs are still what it has read. Otherwise it runs again, in its turn. Any other cell
waits for the tasks with which it has names, objects or files in common.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from nborch.context import RunContext
from nborch.exceptions import UpstreamTaskError
from nborch.notebook.background.board import PULSE, Board
from nborch.notebook.background.couriers import processes
from nborch.notebook.background.early import EarlyJob, Entry, drive, why_again
from nborch.notebook.background.jobs import Job
from nborch.notebook.background.refusals import Interrupted, Rejected, rejection
from nborch.notebook.background.scopes import Scope
from nborch.notebook.background.side_shells import SideShell
from nborch.notebook.background.touching import is_open, touched
from nborch.notebook.bodies import CellBody, Source
from nborch.notebook.cells import CellTask
from nborch.notebook.displays.posting import Post, redirect
from nborch.notebook.displays.tracebacks import lines_of
from nborch.notebook.headers.header import header_reads
from nborch.notebook.outputs import EVENT_MIME
from nborch.notebook.preparing import prepare
from nborch.notebook.sent import request_metadata

__all__ = ["AbreastBoard", "warm_up"]


class AbreastBoard(Board):
    """The cell tasks of a kernel that a notebook flow runs at the same time."""

    def __init__(self, shell: Any, session: Any) -> None:
        super().__init__(shell, session)
        self.entries: list[Entry] = []
        self._settles = False

    # A cell task is submitted.

    @property
    def coming(self) -> frozenset[str]:
        """The names that are to be made."""
        return frozenset().union(*(entry.makes for entry in self._pending()))

    def submit(self, source: Source, parent: RunContext) -> bool:
        """Take a cell in; return False if it has to run here and now."""
        self.settle()
        shell = self._shell
        body = CellBody(shell, source)
        pending = self._pending()
        can_wait = _most() and source.asks.submit != "thread"
        if not can_wait or body.analysis.is_empty or is_open(body, self._shell.user_ns):
            self._await_all()
            return False
        entry = Entry(source, parent, body, Post(shell), _most())
        self._look(entry)
        if not pending and self._start(entry) is None:
            return False
        with self._changed:
            self.entries.append(entry)
        entry.tell("submitted")
        if entry.job is not None:
            entry.job.start()
        self._tasks_changed()
        self.settle()
        return True

    def _look(self, entry: Entry) -> None:
        """See what a cell can get hold of, as things are."""
        names = self._shell.user_ns
        values = {n: names[n] for n in entry.reads if n in names}
        entry.touches = touched(entry.body.code, values)

    def _start(self, entry: Entry) -> EarlyJob | None:
        """Make a cell ready to run in a process; None if that cannot be."""
        shell, asks = self._shell, entry.source.asks
        scope = Scope(shell.user_ns)
        side = SideShell(shell, scope, entry.post)
        job = EarlyJob(
            side,
            shell.user_ns,
            entry.source,
            entry.body.analysis,
            entry.parent,
            needs={},
            tell=self._over,
            changed=self._changed,
        )
        job.relay, job.tell_begun = entry.relay, partial(entry.tell, "began")
        job.begin_from(seeded=self._is_seeded())
        ready = job.ready = job.prepared()
        fresh = not (asks.refresh or asks.no_cache)
        if fresh and ready.cell.key is not None and ready.cell.lookup() is not None:
            entry.waits_its_turn = True
            return None
        job.load()
        if job.mode == "thread":
            entry.waits_its_turn = True
            return None
        entry.was_early = any(
            not other.commutes(entry) for other in self._before(entry)
        )
        entry.job = job
        return job

    # What becomes of it.

    def _over(self, _job: Job) -> None:
        """In a job's thread: what came of it is looked at between two cells."""
        with self._changed:
            self._changed.notify_all()
        self._soon()

    def settle(self) -> None:
        """Begin what can begin; accept what is over and has its turn."""
        if self._settles:
            return
        self._settles = True
        try:
            while any(self._advance(entry) for entry in self._pending()):
                pass
        finally:
            self._settles = False
        with self._changed:
            self._changed.notify_all()

    def _advance(self, entry: Entry) -> bool:
        """Do the next thing that can be done for a cell; return whether it was."""
        earlier = self._before(entry)
        if self._failed_before(entry):
            self._cancel(entry)
        elif entry.job is None and not entry.waits_its_turn:
            return self._begin(entry, earlier)
        elif not all(other.commutes(entry) for other in earlier):
            return False
        elif entry.job is None:
            self._run_now(entry)
        elif not entry.job.is_over or (entry.job.drew and earlier):
            return False
        else:
            self._accept(entry, entry.job)
        return True

    def _begin(self, entry: Entry, earlier: list[Entry]) -> bool:
        """Let a cell begin before its turn, if it can; return whether it was tried."""
        if not entry.is_free(earlier) or self._running() >= entry.most:
            return False
        self._look(entry)
        if (job := self._start(entry)) is not None:
            job.start()
        return True

    def _accept(self, entry: Entry, job: EarlyJob) -> None:
        """Bind what a process has made, or run the cell again."""
        is_valid = not job.is_out and not (job.drew and not job.draws_as_now())
        live = SideShell(self._shell, self._shell.user_ns, entry.post)
        if is_valid and entry.was_early:
            key = CellTask(live, entry.parent.home.cache, entry.source).key
            is_valid = key == job.key
        if is_valid and job.error is not None:
            entry.seconds = job.seconds
            self._end(entry, job.stage.value, job.error, job.ready)
        elif is_valid and self._bound(entry, job, live):
            entry.seconds = job.seconds
            self._conclude(entry, job)
        else:
            entry.post.clear()
            entry.job, entry.waits_its_turn = None, True

    def _bound(self, entry: Entry, job: EarlyJob, live: SideShell) -> bool:
        """Bind what a process has made; return whether that could be done."""
        names = self._shell.user_ns
        account = job.account
        if account is None:
            return False
        if account.kept:
            cell = CellTask(live, entry.parent.home.cache, entry.source)
            if cell.key == job.key and cell.lookup() is not None:
                entry.post.is_muted = True
                try:
                    with redirect(entry.post):
                        cell.restore()
                finally:
                    entry.post.is_muted = False
                entry.shown = live.displayhook.shown
                return True
        effect = job.effect
        if effect is None or not job.is_clean:
            return False
        names.update(effect.bound)
        for name in effect.deleted:
            names.pop(name, None)
        job.scope.open(names)
        self._renew(job)
        entry.shown = job.shell.displayhook.shown
        return True

    def _conclude(self, entry: Entry, job: EarlyJob) -> None:
        ready, state = job.ready, job.final
        if ready is None or state is None:
            raise AssertionError("A job that is over was ready and has ended.")
        if job.account is not None and job.account.kept:
            ready.cell.learn()
        made = job.effect.made if job.effect is not None else ()
        with redirect(entry.post):
            told = self._session.notes.take(
                ready.cell, ready.performer.context, state, made
            )
        badge = ready.cell.badge(hit=False)
        if badge is not None:
            reason = badge.reason or why_again(told)
            badge = replace(badge, seconds=job.seconds, reason=reason)
            entry.post.publish(badge.bundle())
        self._end(entry, "completed")

    def _run_now(self, entry: Entry) -> None:
        """Run a cell in its turn, on the notebook's own names."""
        live = SideShell(self._shell, self._shell.user_ns, entry.post)
        context = entry.parent
        entry.tell("began")
        with redirect(entry.post):
            ready = prepare(live, entry.source, context, relay=entry.relay)
            state = drive(ready)
            error = state.data if isinstance(state.data, BaseException) else None
            hit = state.name == "Cached"
            if hit:
                ready.cell.restore()
            told = self._session.notes.take(ready.cell, ready.performer.context, state)
            badge = ready.cell.badge(hit=hit) if error is None else None
        if badge is not None:
            badge = replace(badge, reason=badge.reason or why_again(told))
            entry.post.publish(badge.bundle())
        entry.seconds, entry.shown = ready.cell.seconds, live.displayhook.shown
        self._end(entry, "completed" if error is None else "failed", error, ready)

    def _end(
        self,
        entry: Entry,
        stage: str,
        error: BaseException | None = None,
        ready: Any = None,
    ) -> None:
        """Tell of a cell's end; its names are bound."""
        entry.error, entry.is_bound, entry.waits_its_turn = error, True, False
        names, count = self._shell.user_ns, entry.post.count
        if entry.shown is not None and isinstance(names.get("Out"), dict):
            names["Out"][count] = names[f"_{count}"] = entry.shown
        if error is not None:
            entry.post.error(error, lines_of(self._shell, error, ready))
        with suppress(Exception):
            entry.post.flush()
        entry.tell("over", stage=stage, began=entry.has_begun, seconds=entry.seconds)
        entry.release()
        self._tasks_changed()

    def _cancel(self, entry: Entry) -> None:
        """Do without a cell, because an earlier one has failed."""
        if entry.job is not None:
            entry.job.cancel()
            entry.job.thread.join(PULSE)
        self._end(entry, "cancelled")

    def _tasks_changed(self) -> None:
        self.jobs = [entry.job for entry in self.entries if entry.job is not None]

    def _pending(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.is_bound]

    def _before(self, entry: Entry) -> list[Entry]:
        """Return the cells before this one that are under way."""
        pending = self._pending()
        place = pending.index(entry) if entry in pending else len(pending)
        return pending[:place]

    def _running(self) -> int:
        jobs = (entry.job for entry in self._pending())
        return sum(job is not None and not job.is_over for job in jobs)

    def _is_seeded(self) -> bool:
        return any("seed" in cell for cell in self._shell.user_ns.get("In", ()))

    def _failed(self) -> Entry | None:
        return next((each for each in self.entries if each.error is not None), None)

    def _failed_before(self, entry: Entry) -> bool:
        failed = self._failed()
        return failed is not None and (
            self.entries.index(failed) < self.entries.index(entry)
        )

    # A cell is about to run.

    def _before_cell(self, info: Any) -> None:
        self._depth += 1
        if self._depth > 1:
            return
        self._refusal = None
        text = info.raw_cell or ""
        try:
            self.settle()
            if not (_is_task(text) and _most()):
                self._await_for(text)
            self._check()
        except KeyboardInterrupt:
            self._refusal = Interrupted("Interrupted while waiting for earlier tasks.")
        except Rejected as refusal:
            self._refusal = refusal

    def _after_cell(self, _result: Any) -> None:
        self._depth = max(self._depth - 1, 0)
        if not self._depth:
            self._soon()

    def _await_for(self, text: str) -> None:
        """Wait for what must be over before a cell that is no task runs."""
        if not self._pending():
            return
        first, _, rest = text.lstrip().partition("\n")
        is_flow = first.startswith("%%flow")
        source = Source("cell", "", rest if is_flow else text)
        try:
            body = CellBody(self._shell, source)
        except (SyntaxError, RecursionError):
            return  # it will not run either
        if _is_task(text) or is_open(body, self._shell.user_ns) or self._is_seeded():
            self._await(self._pending)
            return
        reads = header_reads(first) if is_flow else frozenset()
        cell = Entry.of_plain(body, reads)

        def near() -> list[Entry]:
            self._look(cell)
            return [each for each in self._pending() if not each.commutes(cell)]

        self._await(near)

    def _await(self, needed: Callable[[], list[Entry]]) -> None:
        """Wait until no cell is needed any more, or one has failed."""
        is_told = False
        while self._failed() is None and needed():
            if not is_told:
                self._tell("waits")
                is_told = True
            with self._changed:
                self._changed.wait(PULSE)
            self.settle()
        if is_told:
            self._tell("goes")

    def _await_all(self) -> None:
        """Wait for all, and see to it that the cell may run here and now."""
        self._await(self._pending)
        self._check()

    def _check(self) -> None:
        """Raise if the cell must not run, because an earlier one has failed."""
        failed = self._failed()
        if failed is not None:
            self._tell("refused")
            name = failed.source.name
            raise rejection(UpstreamTaskError(f"{name!r} failed before this cell."))

    def _tell(self, what: str) -> None:
        """Tell the runner something of the present cell."""
        Post(self._shell).publish({EVENT_MIME: {"abreast": what}})


def warm_up() -> None:
    """Start what forks the processes of tasks, while the first cells run."""
    with suppress(OSError):
        processes().start()


def _most() -> int:
    """Return how many tasks may run at the same time; 0 if this cell may not."""
    return int(request_metadata().get("parallel") or 0)


def _is_task(text: str) -> bool:
    return text.lstrip().partition("\n")[0].split(maxsplit=1)[:1] == ["%%task"]
