"""What every run store can do."""

from collections.abc import Sequence
from typing import Protocol

from nborch.events import Event
from nborch.runs import RunKind, RunRecord
from nborch.states import StateType

__all__ = ["RunStore"]


class RunStore(Protocol):
    """Keeps every run, state and log line as append-only events.

    All adapters pass the same conformance tests.
    """

    #: Whether something was refused because this process holds its run no more.
    is_fenced_off: bool

    def append(self, events: Sequence[Event]) -> int:
        """Store the events in one transaction; return how many were accepted.

        A state that may not follow the stored one is refused, as is one of an
        earlier attempt: a final state never changes, and a late report is dropped.
        """
        ...

    def answer_for(self, run_id: str, attempt: int, worker_id: str) -> None:
        """Append from now on only while a worker holds a run with this attempt.

        All that this process tells, of the run and of those within it, is then that of
        one attempt. Once the run has been given to somebody else, because its worker
        was taken for dead, nothing more of it is accepted.
        """
        ...

    def record(self, reference: str) -> RunRecord:
        """Return the run with this id, start of an id, or name (the newest).

        A run of a task is found by its name if no flow or session is called that.

        Raises
        ------
        NotFound
            No run is called that, or the start of the id fits several.
        """
        ...

    def records(  # noqa: PLR0913  # each narrows what is returned
        self,
        *,
        kinds: Sequence[RunKind] = tuple(RunKind),
        states: Sequence[StateType] | None = None,
        of: str | None = None,
        parent: str | None = None,
        top: bool = False,
        limit: int = 50,
    ) -> list[RunRecord]:
        """Return the newest runs first.

        Parameters
        ----------
        states
            Only runs in a state of one of these types.
        of
            Only runs of the flow or task with this name.
        parent
            Only runs made within the run with this id.
        top
            Only runs that were made within no other.
        """
        ...

    def children(self, run_id: str) -> list[RunRecord]:
        """Return the runs made within a run, oldest first."""
        ...

    def within(self, run_id: str) -> list[RunRecord]:
        """Return a run and all runs within it, at any depth."""
        ...

    def unfinished(self) -> list[RunRecord]:
        """Return every run that is not over: one in a final state is, or NotReady."""
        ...

    def events(
        self, after: int = 0, *, run_id: str | None = None, besides: str | None = None
    ) -> list[Event]:
        """Return the events after a sequence number, in order.

        They are as they were recorded, but for the creation of a run: that has the
        name and the details that became known of the run since.

        Parameters
        ----------
        run_id
            Only those of this run.
        besides
            Not those of the runs that the process of this name has made.
        """
        ...

    def last_sequence(self) -> int:
        """Return the sequence number of the last event, 0 if there is none."""
        ...

    def seconds(
        self, of: str, *, besides: str = "", runs: int = 5, most: int = 20_000
    ) -> list[tuple[str, float, bool]]:
        """Return what the last runs of a flow took that completed, and those within.

        Each has the name of the flow or task, its seconds, and whether it is one of
        the flow's own runs. What was not called, such as a cached run, is left out.

        Parameters
        ----------
        besides
            A run that does not count.
        runs, most
            How many runs of the flow are looked at, and how many returned at most.
        """
        ...

    def logs(self, run_id: str) -> list[Event]:
        """Return the log lines of a run and of all runs within it, in order."""
        ...

    def has_workers(self) -> bool:
        """Tell whether a worker counts as alive: it may be dead, and hold runs."""
        ...

    def close(self) -> None:
        """Give back what the store holds open."""
        ...
