"""What every run store can do."""

from collections.abc import Sequence
from typing import Protocol

from nborch.events import Event
from nborch.runs import RunKind, RunRecord

__all__ = ["RunStore"]


class RunStore(Protocol):
    """Keeps every run, state and log line as append-only events.

    All adapters pass the same conformance tests.
    """

    def append(self, events: Sequence[Event]) -> int:
        """Store the events in one transaction; return how many were accepted.

        A state that may not follow the stored one is refused, as is one of an
        earlier attempt: a final state never changes, and a late report is dropped.
        """
        ...

    def record(self, reference: str) -> RunRecord:
        """Return the run with this id, start of an id, or name (the newest).

        Raises
        ------
        NotFound
            No run is called that, or the start of the id fits several.
        """
        ...

    def records(
        self,
        *,
        kinds: Sequence[RunKind] = tuple(RunKind),
        top: bool = False,
        limit: int = 50,
    ) -> list[RunRecord]:
        """Return the newest runs first; only those without a parent if `top`."""
        ...

    def children(self, run_id: str) -> list[RunRecord]:
        """Return the runs made within a run, oldest first."""
        ...

    def within(self, run_id: str) -> list[RunRecord]:
        """Return a run and all runs within it, at any depth."""
        ...

    def unfinished(self) -> list[RunRecord]:
        """Return every run that has not reached a final state."""
        ...

    def events(self, after: int = 0, *, run_id: str | None = None) -> list[Event]:
        """Return the events after a sequence number, in order."""
        ...

    def logs(self, run_id: str) -> list[Event]:
        """Return the log lines of a run and of all runs within it, in order."""
        ...

    def close(self) -> None:
        """Give back what the store holds open."""
        ...
