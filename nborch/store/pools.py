"""Work pools in the run store."""

import time
from collections.abc import Callable

from nborch.exceptions import InvalidDeclaration, NotFound, did_you_mean
from nborch.store.ledgers import Ledger
from nborch.store.work_rows import pool_of
from nborch.work.places import WorkPool

__all__ = ["SQLitePools"]


class SQLitePools:
    """Keep work pools in the file of a run store."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._sql = ledger.sql
        self._clock = clock

    def put(self, pool: WorkPool) -> bool:
        """Create the pool or change it; tell whether it is new."""
        if not pool.name or "/" in pool.name:
            raise InvalidDeclaration(
                f"A work pool cannot be called {pool.name!r}. Give it a name without a "
                "slash, such as 'nightly'."
            )
        if pool.limit is not None and pool.limit < 0:
            raise InvalidDeclaration(
                f"Work pool {pool.name!r}: the limit must be a whole number from 0, or "
                f"None for no limit, not {pool.limit!r}."
            )
        with self._ledger.writing() as connection:
            rows = connection.execute(self._sql["pools"], {"name": pool.name})
            is_new = rows.fetchone() is None
            values = {
                "name": pool.name,
                "kind": pool.kind,
                "slots": pool.limit,
                "paused": pool.paused,
                "description": pool.description,
                "now": self._clock(),
            }
            connection.execute(self._sql["put_pool"], values)
            return is_new

    def get(self, name: str) -> WorkPool:
        """Return the pool as it stands.

        Raises
        ------
        NotFound
            There is no such pool.
        """
        rows = self._ledger.rows("pools", name=name)
        if rows:
            return pool_of(rows[0])
        names = [pool.name for pool in self.list()]
        raise NotFound(
            f"No work pool is called {name!r}.{did_you_mean(name, names)} "
            f"Create it with: nborch work-pool create --type process {name}"
        )

    def pause(self, name: str) -> None:
        """Let no more runs of the pool be claimed; those that go on are not stopped."""
        self._set_paused(name, paused=True)

    def resume(self, name: str) -> None:
        """Let the runs of the pool be claimed again."""
        self._set_paused(name, paused=False)

    def _set_paused(self, name: str, *, paused: bool) -> None:
        self.get(name)
        with self._ledger.writing() as connection:
            values = {"name": name, "paused": paused}
            connection.execute(self._sql["pause_pool"], values)

    def delete(self, name: str) -> None:
        """Remove the pool.

        Raises
        ------
        NotFound
            There is no such pool.
        InvalidDeclaration
            Deployments name it still.
        """
        pool = self.get(name)
        rows = self._ledger.rows("deployments_of_lane", lane=pool.lane)
        if rows:
            told = ", ".join(f"{row['flow_name']}/{row['name']}" for row in rows)
            raise InvalidDeclaration(
                f"The work pool {name!r} is used by {told}. Delete these deployments "
                "or deploy them to another pool first."
            )
        with self._ledger.writing() as connection:
            connection.execute(self._sql["delete_pool"], {"name": name})

    def list(self) -> list[WorkPool]:
        """Return all pools by name, as they stand."""
        return [pool_of(row) for row in self._ledger.rows("pools", name=None)]
