"""The line magic ``%nborch``: its commands, and what they answer."""

import shlex
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from nborch.exceptions import InvalidDeclaration, NborchError, NotFound, did_you_mean
from nborch.notebook.bodies import Source
from nborch.notebook.cells import CellTask
from nborch.notebook.graphs.frames import has_notebook
from nborch.notebook.graphs.stored import DrawnRun
from nborch.notebook.preparing import asked
from nborch.notebook.reruns.cell_graphs import CellGraph
from nborch.notebook.reruns.checking import check
from nborch.notebook.reruns.driving import Driver, Session
from nborch.notebook.reruns.explaining import explained
from nborch.notebook.reruns.exporting import export
from nborch.notebook.reruns.graphing import diagram
from nborch.notebook.reruns.manual import COMMANDS, command_named, manual
from nborch.notebook.reruns.planning import Action, Plan, plan
from nborch.notebook.reruns.reports import Report, Row
from nborch.notebook.reruns.running import Tally, Waves, run_moves
from nborch.notebook.reruns.staleness import Status, Survey
from nborch.notebook.reruns.steps import CellRun
from nborch.showing import GLYPHS, duration

__all__ = ["Commands"]


class Commands:
    """Answers ``%nborch``.

    Parameters
    ----------
    shell
        The IPython shell.
    """

    def __init__(self, shell: Any, session: Session) -> None:
        self._shell = shell
        self._session = session
        self._history = session.notes.history
        self._driver = Driver(shell, session)
        self._cell_graph: CellGraph | None = None

    def answer(self, line: str) -> Any:
        """Do what a line asks for; return what is to be shown, if anything.

        Errors that tell the user what to write are shown in one line.
        """
        try:
            command, words = command_named(shlex.split(line))
            return getattr(self, f"_{command}")(*words)
        except (InvalidDeclaration, NotFound) as error:
            raise _in_one_line(error) from None
        except ValueError as error:
            told = InvalidDeclaration(f"The line {line!r} cannot be read: {error}.")
            raise _in_one_line(told) from None

    async def answer_async(self, line: str) -> Any:
        """Do the same where cells that await are to run."""
        try:
            command, words = command_named(shlex.split(line))
        except (InvalidDeclaration, ValueError):
            return self.answer(line)
        if command != "run":
            return self.answer(line)
        return _told(await self._driver.drive_async(self._waves(words)))

    # What is asked of several commands.

    def survey(self) -> Survey:
        """Return where all stands now."""
        running = frozenset(job.name for job in self._jobs())
        return Survey(self._history, self._shell.user_ns, self._look, running)

    def _look(self, header: str, body: str) -> CellTask:
        asks = asked(self._shell, header)
        source = Source(asks.name, header, body, asks)
        return CellTask(self._shell, self._home.cache, source)

    @property
    def _home(self) -> Any:
        return self._session.enclosing().home

    def _jobs(self) -> list[Any]:
        """Return the cell tasks that run in the background."""
        return [job for job in self._session.jobs() if not job.stage.is_over]

    def _one(self, name: str) -> CellRun:
        """Return the last run of a task."""
        found = self._history.named(name)
        if not found:
            known = {run.task for run in self._history.tasks}
            raise NotFound(
                f"No cell task {name!r} has run in this kernel."
                f"{did_you_mean(name, known)} See those that have with: %nborch status"
            )
        return found[-1]

    # The commands.

    def _help(self, command: str = "") -> None:
        if command and command not in COMMANDS:
            command_named([command])
        print(manual(command))  # noqa: T201  # it was asked for

    def _status(self) -> Report:
        standings = self.survey().standings()
        rows = [
            Row(s.status.sign, [s.run.task, s.status.word, s.reason], s.status.shade)
            for s in standings
        ]
        known = {standing.run.task for standing in standings}
        running = Status.RUNNING
        rows += [
            Row(running.sign, [job.name, running.word, ""], running.shade)
            for job in self._jobs()
            if job.name not in known
        ]
        if not rows:
            return Report("", lines=["No cell task has run in this kernel yet."])
        outdated = sum(s.is_outdated for s in standings)
        told = (
            f"{outdated} of {len(rows)} are out of date: %nborch run"
            if outdated
            else ""
        )
        return Report("", rows, [told] if told else [])

    def _plan(self, *names: str) -> Report:
        made = self._planned(names)
        words = {Action.RUN: "SCHEDULED", Action.PERHAPS: "PENDING"}
        rows = [
            Row(
                m.action.sign,
                [m.run.task, m.action.word, m.reason],
                words.get(m.action, "COMPLETED"),
            )
            for m in made.moves
        ]
        fresh = ", ".join(each.run.task for each in made.fresh)
        lines = [f"up to date: {fresh}"] if fresh else []
        return Report("" if rows else "Nothing would run.", rows, lines)

    def _planned(self, names: tuple[str, ...]) -> Plan:
        return plan(self.survey(), self._home.cache, names)

    def _run(self, *names: str) -> Report:
        return _told(self._driver.drive(self._waves(names)))

    def _waves(self, names: Iterable[str]) -> Waves:
        return run_moves(
            self._planned(tuple(names)),
            lambda run: self.survey().standing(run).is_outdated,
            self._history.latest.get,
            self._show,
        )

    def _show(self, thing: Any) -> None:
        self._shell.display_pub.publish(thing._repr_mimebundle_())

    def _why(self, name: str) -> Report:
        if not self._history.named(name):
            return self._why_before(name)
        run = self._one(name)
        survey = self.survey()
        previous = self._history.earlier.get(run.identity)
        if previous is None:
            stored = self._history.stored(name, run.cell, self._session.enclosing())
            previous = next(
                (each for each in stored if each.run_id != run.run_id), None
            )
        standing = survey.standing(run)
        return explained(self._history, standing, survey.ingredients(run), previous)

    def _why_before(self, name: str) -> Report:
        """Tell why a task ran again that has not run in this kernel yet."""
        stored = self._history.stored(name, None, self._session.enclosing())
        last, previous = next(stored, None), next(stored, None)
        if last is None:
            self._one(name)
            raise AssertionError(name)
        from nborch.notebook.reruns.staleness import Standing

        standing = Standing(last, Status.FRESH)
        report = explained(self._history, standing, None, previous)
        return Report(
            f"{name}: not run in this kernel yet",
            report.rows,
            report.lines,
            report.code,
        )

    def _graph(self, run: str | None = None) -> Any:
        if run is not None:
            return DrawnRun(self._home, run)
        graph = diagram(self.survey())
        if has_notebook(self._shell):
            graph.live = self._live()
        return graph

    def _live(self) -> Any:
        """Return what follows the tasks in a widget, if there are widgets."""
        if self._cell_graph is None:
            with suppress(Exception):
                self._cell_graph = CellGraph(
                    self._shell, self._history, self.survey, self._home
                )
        else:
            self._cell_graph.look()
        return self._cell_graph

    def close(self) -> None:
        """Follow nothing any more."""
        if self._cell_graph is not None:
            self._cell_graph.close()

    def _runs(self, name: str | None = None) -> Report:
        home, parent = self._home, self._session.enclosing()
        home.recorder.flush()
        records = home.store.records(parent=parent.run.id, of=name, limit=30)
        rows = []
        for record in records:
            state = record.state
            seconds = record.seconds
            rows.append(
                Row(
                    GLYPHS.get(state.type.value, "·"),
                    [
                        record.run.name,
                        state.name,
                        duration(seconds) if seconds is not None else "",
                        f"{record.run.created.astimezone():%H:%M:%S}",
                        state.message or "",
                    ],
                    state.type.value,
                )
            )
        return Report("", rows, [] if rows else ["No run yet."])

    def _logs(self, name: str) -> Report:
        home = self._home
        home.recorder.flush()
        run = self._one(name)
        events = home.store.logs(run.run_id)
        lines = [f"{e.data['level']:<8} {e.data['message']}" for e in events]
        return Report("", lines=lines or [f"The last run of {name!r} logged nothing."])

    def _cancel(self, name: str | None = None) -> Report:
        jobs = [job for job in self._jobs() if name in (None, job.name)]
        if name is not None and not jobs:
            known = {job.name for job in self._jobs()}
            raise NotFound(
                f"No cell task {name!r} runs in the background."
                f"{did_you_mean(name, known)}"
            )
        for job in jobs:
            job.cancel()
        told = ", ".join(job.name for job in jobs)
        return Report("", lines=[f"cancelled: {told}" if told else "Nothing runs."])

    def _clear(self, name: str) -> Report:
        cache = self._home.cache
        keys = [entry.key for entry in cache.entries() if entry.label == name]
        if not keys and not self._history.named(name):
            self._one(name)
        for key in keys:
            cache.forget(key)
        many = "result was" if len(keys) == 1 else "results were"
        return Report("", lines=[f"{len(keys)} kept {many} forgotten of {name!r}."])

    def _check(self, name: str) -> Report:
        run = self._one(name)
        return check(self._shell, run, self._look(run.header, run.body))

    def _export(self, *words: str) -> Report:
        paths = [word for word in words if word != "--force"]
        if len(paths) != 1:
            raise InvalidDeclaration("Write: %nborch export FILE.py [--force]")
        told = export(self.survey(), paths[0], force="--force" in words)
        return Report("", lines=told)


def _told(tally: Tally) -> Report:
    """Return the summary; raise if something failed."""
    report = Report("", lines=[str(tally)])
    if tally.failed:
        print(report)  # noqa: T201  # the error below ends the cell
        try:
            tally.check()
        except NborchError as error:
            raise _in_one_line(error) from error.__cause__
    return report


def _in_one_line(error: NborchError) -> NborchError:
    """Let IPython show the error in one line: a traceback would show the engine."""
    lines = [f"{type(error).__name__}: {error}"]
    error._render_traceback_ = lambda: lines  # type: ignore[method-assign]  # its protocol
    return error
