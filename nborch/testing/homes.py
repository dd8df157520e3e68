"""Homes for tests: empty at first, and gone afterwards."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from nborch.context import current_run
from nborch.home import Home, current_home

__all__ = ["prefect_test_harness", "temporary_home"]

VARIABLE = "NBORCH_HOME"


@contextmanager
def temporary_home(clock: Callable[[], float] | None = None) -> Iterator[Home]:
    """Give the block a home of its own, which nothing is left of afterwards.

    >>> from nborch import flow
    >>> @flow
    ... def report() -> int:
    ...     return 1
    >>> with temporary_home() as home:
    ...     report()
    ...     len(home.store.records())
    1
    1

    Processes that are started in the block have it too.

    Parameters
    ----------
    clock
        What kept results expire by, such as a `Clock`.
    """
    with TemporaryDirectory(prefix="nborch-", ignore_cleanup_errors=True) as folder:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = str(Path(folder) / "home")
        # Within another run, such as a notebook's session, its home would be used.
        token = current_run.set(None)
        home = current_home()
        if clock is not None:
            _tell_time(home, clock)
        try:
            yield home
        finally:
            current_run.reset(token)
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before
            home.close()


def _tell_time(home: Home, clock: Callable[[], float]) -> None:
    # Who turns no clock need not load what keeps results (law 7).
    from nborch.cache.results import ResultCache

    vars(home)["cache"] = ResultCache(
        home.folder / "cache", secret_file=home.settings.secret_file, clock=clock
    )


@contextmanager
def prefect_test_harness(
    server_startup_timeout: float | None = 30,
) -> Iterator[None]:
    """Do what `temporary_home` does, by Prefect's name.

    >>> with prefect_test_harness():
    ...     pass

    Parameters
    ----------
    server_startup_timeout
        Not needed: there is no server.
    """
    del server_startup_timeout
    with temporary_home():
        yield
