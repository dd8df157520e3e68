"""The home: one folder with the run store, the result cache and the locks."""

import atexit
import os
import threading
import time
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from nborch import leasing
from nborch.exceptions import StoreError
from nborch.leasing import ProcessLease
from nborch.recorder import Recorder
from nborch.runs import RunRecord
from nborch.settings import Settings, load_settings
from nborch.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    from nborch.cache.base import ResultStore
    from nborch.limits import Limits
    from nborch.store.ledgers import Ledger
    from nborch.store.listing import SQLiteListing
    from nborch.store.logbook import SQLiteLogbook
    from nborch.store.work_base import (
        DeploymentStore,
        Firings,
        PoolStore,
        RunQueue,
        WorkerStore,
    )

__all__ = ["Home", "current_home", "open_home"]


class Home:
    """Open what lies in the folder that the settings name, each at first use.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     home = Home(Settings(Path(folder), Path(folder) / "secret.key"))
    ...     home.store.records()
    ...     home.close()
    []
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.home
        self._lease: ProcessLease | None = None
        self._pid = 0
        self._lock = threading.Lock()
        self._ledgers: dict[str, Ledger] = {}

    @cached_property
    def store(self) -> SQLiteStore:
        """The run store."""
        return SQLiteStore(self.folder / "nborch.db")

    @cached_property
    def recorder(self) -> Recorder:
        """The way into the run store."""
        return Recorder(self.store)

    @cached_property
    def cache(self) -> "ResultStore":
        """The result cache."""
        # Who reuses no result need not load what keeps them (law 7).
        from nborch.cache.results import ResultCache

        return ResultCache(
            self.folder / "cache",
            secret_file=self.settings.secret_file,
            size_limit=self.settings.cache_size_limit,
        )

    @cached_property
    def limits(self) -> "Limits":
        """The concurrency limits."""
        # Who only looks has no use for them (law 7).
        from nborch.limits import Limits
        from nborch.store.limits import SQLiteLimits

        slots = SQLiteLimits(self.store)
        return Limits(slots, self.folder / "processes", lambda: self.process)

    # Who runs nothing by deployments need not load what keeps them (law 7).

    @cached_property
    def deployments(self) -> "DeploymentStore":
        """Deployments and their schedules."""
        from nborch.store.deployments import SQLiteDeployments

        return SQLiteDeployments(self._work)

    @cached_property
    def pools(self) -> "PoolStore":
        """Work pools."""
        from nborch.store.pools import SQLitePools

        return SQLitePools(self._work)

    @cached_property
    def queue(self) -> "RunQueue":
        """Runs that wait for a worker, or are held by one."""
        from nborch.store.queue import SQLiteQueue

        return SQLiteQueue(self._work)

    @cached_property
    def workers(self) -> "WorkerStore":
        """Those who perform runs."""
        from nborch.store.workers import SQLiteWorkers

        return SQLiteWorkers(self._work, lambda: self.process)

    @cached_property
    def firings(self) -> "Firings":
        """What is due, and what came of it."""
        from nborch.store.firings import SQLiteFirings

        return SQLiteFirings(self._work)

    @cached_property
    def listing(self) -> "SQLiteListing":
        """Runs, narrowed and in pages."""
        from nborch.store.listing import SQLiteListing

        return SQLiteListing(self._lists)

    @cached_property
    def logbook(self) -> "SQLiteLogbook":
        """The lines of runs, in pages."""
        from nborch.store.logbook import SQLiteLogbook

        return SQLiteLogbook(self._lists, self.store)

    @property
    def _work(self) -> "Ledger":
        return self._ledger("work")

    @property
    def _lists(self) -> "Ledger":
        # Who looks at long lists keeps nobody from claiming or firing.
        return self._ledger("lists")

    def _ledger(self, name: str) -> "Ledger":
        """Return one of the connections that these share."""
        from nborch.store.ledgers import Ledger

        with self._lock:
            if name not in self._ledgers:
                self._ledgers[name] = Ledger(self.store)
            return self._ledgers[name]

    @property
    def process(self) -> str:
        """The name of this process in the runs it makes; it holds a lock by it."""
        if self._pid != os.getpid():
            with self._lock:
                if self._pid != os.getpid():
                    self._lease = self._take_lease()
                    self._pid = os.getpid()
        return self._lease.name if self._lease else "nowhere:0:0"

    def _take_lease(self) -> ProcessLease | None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return ProcessLease(self.folder / "processes")
        except OSError as error:
            raise StoreError(
                f"The folder {str(self.folder)!r} cannot be written to: "
                f"{error.strerror}. Set NBORCH_HOME to a folder you can write to."
            ) from error

    def reap(self) -> list[RunRecord]:
        """Mark the unfinished runs of dead processes as Crashed; return them.

        What dead workers had is given to others, and not among them.
        """
        self.recorder.flush()
        processes = self.folder / "processes"
        if self.store.has_workers():
            self.workers.reap(partial(leasing.is_alive, processes))
        return leasing.reap(self.store, processes, time.time())

    def close(self) -> None:
        """Write what is left and give everything back."""
        if "recorder" in self.__dict__:
            self.recorder.close()
        if "limits" in self.__dict__:
            self.limits.close()
        for ledger in self._ledgers.values():
            ledger.close()
        if "store" in self.__dict__:
            self.store.close()
        if "cache" in self.__dict__:
            self.cache.close()
        # NB. Last: whoever sees it gone marks what is unfinished as Crashed.
        if self._lease is not None and self._pid == os.getpid():
            self._lease.release()
        self._lease, self._pid = None, 0


_homes: dict[Path, Home] = {}
_found: dict[tuple[str | None, ...], Home] = {}
#: The settings depend on these and on the current folder.
_VARIABLES = (
    "NBORCH_HOME",
    "NBORCH_LOG_LEVEL",
    "NBORCH_CACHE_SIZE_LIMIT",
    "NBORCH_LOG_LINES_LIMIT",
    "NBORCH_OUTPUT_SIZE_LIMIT",
    "NBORCH_GRAPH",
)
_homes_lock = threading.Lock()


def open_home(settings: Settings) -> Home:
    """Return this process's home in the folder that `settings` names."""
    with _homes_lock:
        home = _homes.get(settings.home)
        if home is None:
            home = _homes[settings.home] = Home(settings)
        return home


def current_home() -> Home:
    """Return the home for work in the current folder."""
    # The settings follow from these; looking them up walks up the folders.
    environ = os.environ
    try:
        folder = os.getcwd()  # noqa: PTH109  # 10x faster, on every call of a task
    except FileNotFoundError:
        folder = "/"  # the current folder was removed
    start = (folder, *map(environ.get, _VARIABLES))
    home = _found.get(start)
    if home is None:
        home = _found[start] = open_home(load_settings(Path(folder)))
    return home


def _renew_locks_in_child() -> None:
    # Another thread of the parent may have held one while this one forked.
    global _homes_lock  # noqa: PLW0603  # as one of the process
    _homes_lock = threading.Lock()
    for home in _homes.values():
        home._lock = threading.Lock()  # noqa: SLF001  # its own module


os.register_at_fork(after_in_child=_renew_locks_in_child)


@atexit.register
def _close_all() -> None:
    for home in _homes.values():
        home.close()
