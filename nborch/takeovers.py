"""Takeovers: flow runs that were made before the process that executes them."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from nborch.events import Event, EventKind, noted
from nborch.runs import Run
from nborch.states import is_last

__all__ = ["GivenRun", "given_run"]


@dataclass(frozen=True, slots=True)
class GivenRun:
    """A flow run that was made before its process: by a schedule, or on request.

    Parameters
    ----------
    attempt
        The number under which it was handed out. Its own attempts count from there
        on, so that reports of whom it was handed to before are late ones.
    log_prints
        Whether its prints go to its log where the flow does not say.
    held
        Takes the event of its end, for who has to do something before others see it.
    """

    run: Run
    attempt: int
    log_prints: bool = True
    held: list[Event] | None = None

    def recording(self, record: Callable[[Event], object]) -> Callable[[Event], object]:
        """Return what takes the events of the run itself."""

        def take(event: Event) -> None:
            event = self.counted(event)
            if self.held is not None and _is_end(event):
                self.held.append(event)
            else:
                record(event)

        return take

    def counted(self, event: Event) -> Event:
        """Return an event of the run as it is to be recorded."""
        if event.kind is EventKind.CREATED:
            # It is there. What the call tells of it besides is news.
            facts = {**event.data["details"], "name": event.data["name"]}
            return noted(event.run_id, event.at, facts)
        if event.kind is EventKind.STATE:
            return event._replace(attempt=self.attempt + max(event.attempt - 1, 0))
        return event


def _is_end(event: Event) -> bool:
    if event.kind is not EventKind.STATE:
        return False
    return is_last(event.data["type"], event.data["name"])


#: The run that the next flow called here is to be, if that was made before.
given_run: ContextVar[GivenRun | None] = ContextVar("nborch_given_run", default=None)
