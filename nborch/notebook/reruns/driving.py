"""Running the waves of tasks that `nborch.notebook.reruns.running` yields."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from nborch.context import RunContext, current_run
from nborch.notebook.bodies import Source
from nborch.notebook.preparing import asked
from nborch.notebook.reruns.noting import Notes
from nborch.notebook.reruns.running import Errors, Tally, Waves
from nborch.notebook.reruns.steps import CellRun

__all__ = ["Driver", "Session"]

#: Seconds between two looks at tasks in the background.
PULSE = 0.1


class Session(Protocol):
    """What the commands need of the session of the kernel."""

    notes: Notes

    def run(self, header: str, body: str) -> None:
        """Run a cell task."""

    async def run_async(self, header: str, body: str) -> None:
        """Run a cell task that awaits."""

    def submit(self, source: Source) -> Any:
        """Run a cell in the background; return its job, None if it has to run here."""

    def jobs(self) -> list[Any]:
        """Return the cells that were submitted."""
        ...

    def settle(self) -> None:
        """Bind the names of the cells in the background that are over."""

    def enclosing(self) -> RunContext:
        """Return the run that cells belong to."""
        ...


class Driver:
    """Runs cell tasks as if their cells were run.

    Parameters
    ----------
    shell
        The IPython shell.
    """

    def __init__(self, shell: Any, session: Session) -> None:
        self._shell = shell
        self._session = session

    def drive(self, waves: Waves) -> Tally:
        """Run all; return what came of them."""
        earlier, errors = self._session.jobs(), Errors()
        try:
            wave = next(waves)
            while True:
                errors = self._run_here(self._submitted(wave), wave)
                wave = waves.send(errors)
        except StopIteration as end:
            return self._at_the_end(end.value, earlier)

    async def drive_async(self, waves: Waves) -> Tally:
        """Run all where some of them await; return what came of them."""
        earlier, errors = self._session.jobs(), Errors()
        try:
            wave = next(waves)
            while True:
                jobs, errors = self._submitted(wave), Errors()
                for run in wave:
                    if run.identity not in jobs:
                        with self._as_cell(run, errors):
                            self._await_names(run)
                            await self._session.run_async(run.header, run.body)
                errors |= self._ended(jobs)
                wave = waves.send(errors)
        except StopIteration as end:
            return self._at_the_end(end.value, earlier)

    def _at_the_end(self, tally: Tally, earlier: list[Any]) -> Tally:
        """Wait for the tasks whose own header says that they are to be submitted."""
        jobs = [job for job in self._session.jobs() if job not in earlier]
        self._wait(jobs)
        for job in jobs:
            if job.error is not None and job.name not in tally.failed:
                tally.failed[job.name] = job.error
                tally.ran = [name for name in tally.ran if name != job.name]
        return tally

    def _run_here(self, jobs: dict[str, Any], wave: list[CellRun]) -> Errors:
        """Run what does not run in the background; wait for what does."""
        errors = Errors()
        for run in wave:
            if run.identity not in jobs:
                with self._as_cell(run, errors):
                    self._await_names(run)
                    self._session.run(run.header, run.body)
        return errors | self._ended(jobs)

    @contextmanager
    def _as_cell(self, run: CellRun, errors: Errors) -> Iterator[None]:
        """Let a run count as one of its own cell; show and take what it raises."""
        # NB. In a notebook flow the cell with the magic is a run: the tasks are not
        # that run, but runs within it.
        token = current_run.set(self._session.enclosing())
        try:
            with self._session.notes.watch.acting_for(run.cell):
                yield
        except Exception as error:  # noqa: BLE001  # told at the end
            self._shell.showtraceback((type(error), error, error.__traceback__))
            errors[run.identity] = error
        finally:
            current_run.reset(token)

    # In the background.

    def _submitted(self, wave: list[CellRun]) -> dict[str, Any]:
        """Submit tasks that may run at the same time; return their jobs."""
        if len(wave) == 1:
            return {}
        jobs = {}
        for run in wave:
            asks = asked(self._shell, run.header)
            asks = replace(asks, submit=asks.submit or "process")
            source = Source(asks.name, run.header, run.body, asks)
            with self._session.notes.watch.acting_for(run.cell):
                job = self._session.submit(source)
            if job is not None:
                jobs[run.identity] = job
        return jobs

    def _ended(self, jobs: dict[str, Any]) -> Errors:
        """Wait for jobs and bind their names; return the errors there were."""
        self._wait(list(jobs.values()))
        errors = {identity: job.error for identity, job in jobs.items()}
        return {each: error for each, error in errors.items() if error is not None}

    def _await_names(self, run: CellRun) -> None:
        """Wait for what runs in the background and makes names that a task reads."""
        jobs = [job for job in self._session.jobs() if not job.is_bound]
        needed = [job for job in jobs if job.makes & run.reads]
        self._wait(needed)
        for job in needed:
            if job.error is not None:
                raise job.failure(run.reads)

    def _wait(self, jobs: list[Any]) -> None:
        try:
            while not all(job.is_bound for job in jobs):
                for job in jobs:
                    job.wait(PULSE)
                self._session.settle()
        except KeyboardInterrupt:
            for job in jobs:
                job.cancel()
            raise
