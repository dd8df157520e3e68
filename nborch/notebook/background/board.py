"""Cells in the background: ``%%task clean --submit`` returns at once.

The names that such a cell makes are pending until it is over. A cell that reads one of
them waits for it; otherwise they are bound between two cells.
"""

import atexit
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from nborch.context import RunContext
from nborch.exceptions import Unsendable
from nborch.notebook.analysis import analyse
from nborch.notebook.analysis.shell_calls import magic_words
from nborch.notebook.background.errands import generators, renew
from nborch.notebook.background.jobs import Job
from nborch.notebook.background.reaching import obstacle_to_threads, reach
from nborch.notebook.background.refusals import Gate, Interrupted, rejection
from nborch.notebook.background.scopes import GONE, Scope
from nborch.notebook.background.side_shells import SideShell
from nborch.notebook.background.stages import Stage, listed
from nborch.notebook.background.waiting import Wait, is_interactive
from nborch.notebook.bodies import CellBody, Source
from nborch.notebook.displays.posting import Post, unpin
from nborch.notebook.displays.tracebacks import lines_of
from nborch.notebook.effects.surroundings import restore_generators
from nborch.notebook.headers.header import header_reads, parse_header
from nborch.notebook.preparing import prepare
from nborch.view.notices import Notice

__all__ = ["Board", "jobs"]

#: Seconds between two looks at what is waited for.
PULSE = 0.1
#: Seconds that jobs are given to end when the kernel does.
PATIENCE = 0.7

_boards: list["Board"] = []


def jobs() -> list[Job]:
    """Return the cells that were submitted in this kernel, the first one first."""
    return [job for board in _boards for job in board.jobs]


class Board:
    """The cells of one kernel that were submitted, and the names that they make.

    Parameters
    ----------
    shell
        The IPython shell.
    session
        Whose notes of runs these cells take part in.
    """

    def __init__(self, shell: Any, session: Any) -> None:
        self.jobs: list[Job] = []
        self._shell = shell
        self._session = session
        self._changed = threading.Condition()
        self._refusal: BaseException | None = None
        self._gate = Gate(self.refuse)
        # The cell that submits the first one is running.
        self._depth = 1
        self._dropping: frozenset[str] = frozenset()
        self._listen()
        _boards.append(self)
        atexit.register(self.close)

    # A cell is submitted.

    def submit(self, source: Source, parent: RunContext) -> bool:
        """Run a cell in the background; return False if it has to run here and now."""
        if not is_interactive(self._shell):
            return False
        self.settle()
        shell = self._shell
        names = Scope(shell.user_ns)
        side = SideShell(shell, names, Post(shell))
        body = CellBody(side, source)
        analysis = body.analysis
        if analysis.is_empty:
            return False
        needs = self._needed(analysis.reads | {*(source.asks.needs or ())})
        obstacle = obstacle_to_threads(analysis, body.code, names)
        ready = None
        if not needs:
            ready = prepare(side, source, parent)
            cell = ready.cell
            fresh = not (source.asks.refresh or source.asks.no_cache)
            if fresh and cell.key is not None and cell.lookup() is not None:
                return False
        job = Job(
            side,
            shell.user_ns,
            source,
            analysis,
            parent,
            needs=needs,
            tell=self._over,
            changed=self._changed,
        )
        job.ready = ready
        job.load()
        if obstacle and (job.mode == "thread" or needs):
            self._run_here(job, obstacle, needs)
            return False
        with self._changed:
            self.jobs.append(job)
        job.start()
        return True

    def _run_here(self, job: Job, obstacle: str, needs: Mapping[Job, bool]) -> None:
        told = " · ".join(filter(None, (job.reason, obstacle)))
        notice = Notice("runs in the foreground", told)
        self._shell.display_pub.publish(notice.bundle())
        self.await_jobs(list(needs), job.analysis.reads)
        error = self._take_refusal()
        if error is not None:
            raise error

    def _needed(self, reads: Iterable[str]) -> dict[Job, bool]:
        """Return the jobs that make what is read, and if functions read it."""
        pending = self.pending()
        direct = {name for name in reads if name in pending}
        deep = reach(reads, self._shell.user_ns, pending.keys()) - direct
        needs = {job: False for name in direct for job in pending[name]}
        return needs | {job: True for name in deep for job in pending[name]}

    def pending(self) -> dict[str, list[Job]]:
        """Return the jobs that are to make each name, the first one first."""
        found: dict[str, list[Job]] = {}
        for job in self.jobs:
            if not job.is_bound:
                for name in job.makes - job.dropped:
                    found.setdefault(name, []).append(job)
        return found

    # A job is over.

    def _over(self, job: Job) -> None:
        """In the job's thread: tell of its end; have its names bound soon."""
        if job.error is not None:
            post = job.shell.post
            post.error(job.error, lines_of(self._shell, job.error, job.ready))
        if job.finish is None or job.error is not None:
            job.show()
        with suppress(Exception):
            job.shell.post.flush()
        with self._changed:
            self._changed.notify_all()
        self._soon()

    def _soon(self) -> None:
        """Have names bound as soon as no cell runs, if the kernel can be asked to."""
        loop = getattr(getattr(self._shell, "kernel", None), "io_loop", None)
        if loop is not None:
            with suppress(RuntimeError):
                loop.add_callback(self._between_cells)

    def _between_cells(self) -> None:
        if self._depth == 0:
            unpin()
            self.settle()

    def settle(self) -> None:
        """Bind the names of the jobs that are over, in the main thread."""
        for job in [j for j in self.jobs if j.stage.is_over and not j.is_bound]:
            if not job.thread.is_alive() or job.seconds:
                self._bind(job)
        if all(job.is_bound for job in self.jobs):
            for job in self.jobs:
                job.release()
        with self._changed:
            self._changed.notify_all()

    def _bind(self, job: Job) -> None:
        job.is_bound = True
        finish, job.finish = job.finish, None
        if finish is not None:
            try:
                finish()
            except Exception as error:  # noqa: BLE001  # told where its names are read
                job.error, job.stage = error, Stage.FAILED
        effect, names = job.effect, self._shell.user_ns
        left: list[str] = []
        if effect is not None:
            left = effect.apply(names, lambda name: name not in job.dropped, job.since)
            done = effect.names - set(left)
            for other in self.jobs[self.jobs.index(job) + 1 :]:
                # What they find in place of the old value is no later cell's.
                other.since |= {name: effect.bound.get(name, GONE) for name in done}
        job.shell.user_ns.open(names)
        self._renew(job)
        if left:
            self._tell_of_left(job, left)
        self._note(job, names)
        if finish is not None or job.notes:
            job.show()

    def _tell_of_left(self, job: Job, names: list[str]) -> None:
        """Say which names are no longer the job's to bind."""
        job.notes.append(f"{listed(names)} bound by a later cell")

    def _renew(self, job: Job) -> None:
        """Change the kernel as the job has changed its own process."""
        account = job.account
        if account is None:
            return
        renew(account.environment)
        if account.generators and _alike(generators(), job.generators):
            restore_generators(account.generators)

    def _note(self, job: Job, names: dict[str, Any]) -> None:
        """Keep the value in ``Out``, and the run in the history."""
        shown, count = job.shell.displayhook.shown, job.shell.post.count
        if shown is not None and isinstance(names.get("Out"), dict):
            names["Out"][count] = names[f"_{count}"] = shown
        if job.ready is not None and job.final is not None:
            context = job.ready.performer.context
            bound = job.effect.made if job.effect is not None else ()
            told = self._session.notes.take(job.ready.cell, context, job.final, bound)
            if told is not None:
                job.notes.append(told)
            context.home.recorder.flush()

    # A cell is about to run, and has run.

    def _listen(self) -> None:
        events = self._shell.events
        events.register("pre_run_cell", self._before_cell)
        # First: others look at the names as they are before the cell.
        called = events.callbacks["pre_run_cell"]
        called.insert(0, called.pop())
        events.register("post_run_cell", self._after_cell)
        self._shell.ast_transformers.append(self._gate)

    def _before_cell(self, info: Any) -> None:
        self._depth += 1
        if self._depth > 1:
            return
        self.settle()
        self._dropping = frozenset()
        self._refusal = None
        if all(job.is_bound for job in self.jobs) and not self._broken():
            return
        reads = self._reads(info.raw_cell or "")
        try:
            self.await_jobs(list(self._needed(reads)), reads)
        except KeyboardInterrupt:
            self._refusal = Interrupted("Interrupted while waiting. The task goes on.")
        if self._refusal is None:
            self._refuse_broken(reads)

    def _after_cell(self, result: Any) -> None:
        self._depth = max(self._depth - 1, 0)
        if self._depth:
            return
        if result is not None and result.success:
            for job in self.jobs:
                if not job.is_bound:
                    job.dropped |= self._dropping & job.makes
        self._dropping = frozenset()
        self._soon()

    def _reads(self, text: str) -> frozenset[str]:
        """Return the names that a cell reads; note which it binds without."""
        first, _, rest = text.lstrip().partition("\n")
        if first.startswith("%%task") and _is_submitted(first):
            return frozenset()  # it waits in the background
        named: frozenset[str] = frozenset()
        if first.startswith(("%%task", "%%flow")):
            text, named = rest, header_reads(first)
        try:
            code = self._shell.transform_cell(text)
            analysis = analyse(code)
        except (SyntaxError, RecursionError):
            return frozenset()  # it will not run either
        if "get_ipython()." in code:
            # A magic may read what stands in its text.
            return analysis.reads | named | magic_words(code)
        self._dropping = analysis.writes - analysis.reads - named
        return analysis.reads | named

    def await_jobs(self, needed: list[Job], reads: Iterable[str] = ()) -> None:
        """Wait until these jobs are over and bind their names; show what for."""
        if not needed:
            return
        wait = Wait(self._shell)
        try:
            while not all(job.stage.is_over and job.seconds for job in needed):
                with self._changed:
                    self._changed.wait(PULSE)
                # A job may have to wait for another one's names to be bound.
                self.settle()
                wait.show(needed)
        finally:
            wait.end()
        self.settle()
        failed = next((job for job in needed if job.error is not None), None)
        if failed is not None:
            self._refusal = rejection(failed.failure(reads))

    # Names that could not be made.

    def _broken(self) -> dict[str, Job]:
        """Return the names that are undefined because a job failed or kept them."""
        names = self._shell.user_ns
        found: dict[str, Job] = {}
        for job in self.jobs:
            if job.is_bound:
                lacking = job.makes if job.error is not None else job.lost.keys()
                found |= {name: job for name in lacking if name not in names}
        return found

    def _refuse_broken(self, reads: frozenset[str]) -> None:
        broken = self._broken()
        for name in sorted(reads & broken.keys()):
            job = broken[name]
            if job.error is not None:
                self._refusal = rejection(job.failure(reads))
            else:
                self._refusal = rejection(
                    Unsendable(
                        f"{name!r} stays in the process of the task {job.name!r}: "
                        f"{job.lost[name]}. Run that cell with --submit=thread, or "
                        "without --submit."
                    )
                )
            return

    def _take_refusal(self) -> BaseException | None:
        error, self._refusal = self._refusal, None
        return error

    def refuse(self) -> None:
        """Raise what keeps the present cell from running."""
        error = self._take_refusal()
        if error is not None:
            raise error

    def close(self) -> None:
        """Cancel what still runs, and wait for nothing any more."""
        atexit.unregister(self.close)
        with suppress(ValueError):
            _boards.remove(self)
        events = self._shell.events
        for name, callback in (
            ("pre_run_cell", self._before_cell),
            ("post_run_cell", self._after_cell),
        ):
            with suppress(ValueError):
                events.unregister(name, callback)
        gates = self._shell.ast_transformers
        gates[:] = [gate for gate in gates if gate is not self._gate]
        running = [job for job in self.jobs if job.cancel()]
        until = time.monotonic() + PATIENCE
        for job in running:
            job.thread.join(max(until - time.monotonic(), 0))


def _is_submitted(line: str) -> bool:
    with suppress(Exception):
        return parse_header(line).submit is not None
    return False


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether the states of random generators are the same."""
    import pickle

    return pickle.dumps(one) == pickle.dumps(other)
