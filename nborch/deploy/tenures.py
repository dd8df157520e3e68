"""A tenure: one attempt of a run, from its claim to the end of its process."""

import signal
import time
from collections.abc import Callable

from nborch.deploy.orders import Order
from nborch.deploy.outputs import OutputFile, folder_of
from nborch.hatching.hatchery import Hatched, Hatchery
from nborch.home import Home
from nborch.work import ClaimedRun

__all__ = ["CANCEL_GRACE", "Tenure", "ended_by"]

#: Seconds that a run may take to end after it was interrupted, and terminated.
CANCEL_GRACE = 10.0
TERMINATE_GRACE = 2.0
#: Seconds that a process may linger after its run is over.
LINGER = 30.0


class Tenure:
    """A run that this worker holds, and its process.

    Parameters
    ----------
    on_line
        Called with each line that it prints.
    hooks_only
        Whether it is for the hooks of a run that is over; see `Order`.
    """

    def __init__(
        self,
        claim: ClaimedRun,
        home: Home,
        hatchery: Hatchery,
        on_line: Callable[[str], object],
        *,
        hooks_only: bool = False,
    ) -> None:
        self.claim = claim
        self.hooks_only = hooks_only
        self.folder = folder_of(home, claim.run_id, claim.attempt)
        if hooks_only:
            self.folder = self.folder.with_name(f"{self.folder.name}-hooks")
        self.began = time.monotonic()
        self.hatched: Hatched | None = None
        #: Whether the run is to be handed back when its process has ended.
        self.is_returned = False
        self._home = home
        self._hatchery = hatchery
        self._output = OutputFile(self.folder, claim.run_id, home, on_line)
        #: Which signals are left to be sent, and when the next one is.
        self._steps: list[tuple[float, int]] = []
        self._next_step = 0.0

    def start(self, on_end: Callable[["Tenure"], object]) -> None:
        """Start the process."""
        claim = self.claim
        deployment = claim.deployment
        order = Order(
            run=claim.record.run,
            attempt=claim.attempt,
            entrypoint=deployment.entrypoint,
            parameters=claim.parameters,
            home=str(self._home.folder),
            worker_id=claim.worker_id,
            hooks_only=self.hooks_only,
        )
        order.write(self.folder)
        self.hatched = self._hatchery.hatch(
            {"folder": str(self.folder)}, lambda _: on_end(self)
        )

    def cancel(self) -> None:
        """Ask the process to end, and see to it that it does."""
        if not self._steps:
            self._steps = [
                (CANCEL_GRACE, signal.SIGINT),
                (TERMINATE_GRACE, signal.SIGTERM),
                (LINGER, signal.SIGKILL),
            ]
            self._next_step = 0.0

    def kill(self) -> None:
        """End the process and all that it has started, at once."""
        self._steps = []
        self._send(signal.SIGKILL)

    def end_soon(self) -> None:
        """See to it that a process ends whose run is over."""
        if not self._steps:
            self._steps = [(LINGER, signal.SIGKILL)]
            self._next_step = time.monotonic() + LINGER

    def turn(self) -> None:
        """Keep what was printed; send the next signal if it is time for it."""
        self._output.read()
        if self._steps and time.monotonic() >= self._next_step:
            seconds, number = self._steps[0]
            if len(self._steps) > 1:
                del self._steps[0]
            self._next_step = time.monotonic() + seconds
            self._send(number)

    def finish(self) -> None:
        """Keep the rest of what was printed; the process has ended."""
        self._output.finish()

    def _send(self, number: int) -> None:
        if self.hatched is not None:
            # An interrupt is for the run; how it ends what it has started is its own.
            group = number != signal.SIGINT
            self._hatchery.signal(self.hatched, number, group=group)


def ended_by(code: int) -> str:
    """Return how a process ended that had not finished its run, in a sentence.

    >>> ended_by(-9), ended_by(3)
    ('Its process was ended by SIGKILL.', 'Its process ended by itself, with code 3.')
    """
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"Its process was ended by {name}."
    return f"Its process ended by itself, with code {code}."
