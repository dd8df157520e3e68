"""Serving: schedules are fired and runs are done, in one process on the embedded store.

`serve` blocks until Ctrl-C; in a notebook it returns a `Server` that works in the
background. ``nborch worker start`` is the same for the deployments of a work pool.
"""

import atexit
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nborch.audience import looks_of
from nborch.deploy.entrypoints import is_flow, loading
from nborch.deploy.notifying import Notifying
from nborch.deploy.scheduler import Scheduler
from nborch.deploy.status import Status, card_of, status_here
from nborch.deploy.worker import GRACE, Worker
from nborch.exceptions import InvalidDeclaration
from nborch.home import Home, current_home
from nborch.work import Deployment

__all__ = ["Server", "in_kernel", "serve"]

#: Seconds between two looks for a signal, in the thread that waits.
LOOK = 0.2


class Server:
    """A scheduler and a worker of this process.

    ::

        server = report.serve(name="nightly", cron="0 2 * * *")   # in a notebook
        server.stop()

    In a notebook it shows what is due, what goes on and how the last runs have ended,
    and has a button that stops it.

    Parameters
    ----------
    deployments
        What is served; of a work pool, nothing by name.
    status
        Is told what the worker does.
    fires
        Whether schedules are fired.
    """

    def __init__(
        self,
        home: Home,
        worker: Worker,
        status: Status,
        deployments: Sequence[Deployment] = (),
        *,
        fires: bool = True,
    ) -> None:
        self.home = home
        self.worker = worker
        self.status = status
        self.deployments = tuple(deployments)
        self._scheduler = Scheduler(home) if fires else None
        status.server = self

    def start(self) -> None:
        """Begin, in the background."""
        # NB. Before the home is closed, which was opened earlier.
        atexit.register(self.stop, 0)
        self.worker.start()
        if self._scheduler is not None:
            self._scheduler.start()

    def stop(self, grace: float = GRACE, *, wait: bool = True) -> None:
        """Fire no more and let runs end; who has not after `grace` seconds waits again.

        A second call with less shortens the time.
        """
        if self._scheduler is not None:
            self._scheduler.stop()
        self.worker.stop(grace)
        if wait:
            self.join()
            atexit.unregister(self.stop)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has stopped; tell whether it has."""
        return self.worker.join(timeout)

    @property
    def is_running(self) -> bool:
        """Whether it takes runs."""
        return not self.worker.is_stopping and not self.worker.join(0)

    def run(self) -> None:
        """Work until Ctrl-C or SIGTERM; a second one hands back runs at once."""
        count = 0

        def note(_signal: int, _frame: object) -> None:
            nonlocal count
            count += 1
            self.status.stopping(len(self.worker.held), again=count == 1)
            # NB. In a thread: the scheduler may hold what this one would wait for.
            grace = GRACE if count == 1 else 0.0
            threading.Thread(
                target=self.stop, args=(grace,), kwargs={"wait": False}, daemon=True
            ).start()

        with _signals(note), self.status.shown():
            self.start()
            while not self.worker.join(LOOK):
                self.status.refresh()

    def __repr__(self) -> str:
        names = ", ".join(each.full_name for each in self.deployments)
        what = names or ", ".join(self.worker.lanes)
        state = "serving" if self.is_running else "stopped"
        held = len(self.worker.held)
        return f"<Server of {what}: {state}, {held} running>"

    def card(self) -> dict[str, str]:
        """Return what it does now, in the forms that front ends show."""
        return card_of(self, self.status)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {**self.card(), **(looks_of(self) or {})}


def serve(
    *deployments: Deployment,
    limit: int | None = None,
    home: Home | None = None,
    **unneeded: Any,
) -> Server | None:
    """Run deployments by schedule and on request, here, until Ctrl-C.

    ::

        from nborch import serve

        if __name__ == "__main__":
            serve(
                load.to_deployment(name="hourly", interval=timedelta(hours=1)),
                report.to_deployment(name="nightly", cron="0 2 * * *"),
            )

    Each run has a process of its own. Ctrl-C lets those that go on end, and a second
    one hands them back at once. In a notebook this returns a `Server` at once, which
    works in the background until `Server.stop`.

    Parameters
    ----------
    limit
        How many runs may go on at the same time.

    Raises
    ------
    InvalidDeclaration
        One of them is no deployment, or there is none.
    """
    del unneeded  # what Prefect's takes besides
    if loading.get():
        # The program is only read, for a flow in it.
        return None
    _check(deployments)
    home = home or current_home()
    known = [home.deployments.put(each) for each in deployments]
    lanes = [each.lane for each in known]
    status = Status() if in_kernel() else status_here()
    worker = Worker(
        home,
        list(dict.fromkeys(lanes)),
        name=known[0].name if len(known) == 1 else "serve",
        limit=limit,
        watcher=Notifying(home, status),
    )
    server = Server(home, worker, status, known)
    if in_kernel():
        server.start()
        return server
    server.run()
    return None


def in_kernel() -> bool:
    """Tell whether this is the kernel of a notebook, whose cell must not block."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _check(deployments: Sequence[Any]) -> None:
    if not deployments:
        raise InvalidDeclaration(
            "serve() needs deployments. Make one of a flow with: "
            "flow.to_deployment(name=...)"
        )
    for each in deployments:
        if is_flow(each):
            raise InvalidDeclaration(
                f"serve() takes deployments, and {each!r} is a flow. "
                "Write flow.serve(name=...), or flow.to_deployment(name=...)."
            )
        if not isinstance(each, Deployment):
            raise InvalidDeclaration(
                f"{each!r} is no deployment. Make one of a flow with: "
                "flow.to_deployment(name=...)"
            )


@contextmanager
def _signals(handler: Any) -> Iterator[None]:
    """Have SIGINT and SIGTERM handled in the block, where that is possible."""
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
