"""Named SQL: each query stands in a ``.sql`` file under ``-- name: its_name``."""

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path

__all__ = ["in_few_statements", "load_queries"]

#: Rows that one statement takes at most.
AT_ONCE = 64


@cache
def load_queries(file: str) -> dict[str, str]:
    """Return the queries of a file in ``nborch/store/sql/`` by name.

    >>> "migration_1" in load_queries("sqlite_schema.sql")
    True
    """
    text = (Path(__file__).parent / "sql" / file).read_text("utf-8")
    queries = {}
    for block in text.split("-- name: ")[1:]:
        name, _, query = block.partition("\n")
        queries[name.strip()] = query.strip()
    return queries


def in_few_statements(
    connection: sqlite3.Connection, query: str, rows: Sequence[tuple[object, ...]]
) -> list[sqlite3.Row]:
    """Execute a query whose one ``(?, ...)`` stands for rows; return what it found.

    ``executemany`` is a statement for each row, and each lets other threads run: in a
    program that computes it can then take 5 ms until it is this thread's turn again.
    """
    found: list[sqlite3.Row] = []
    start = 0
    while start < len(rows):
        # Powers of two, so that few different statements are ever prepared.
        size = min(AT_ONCE, 1 << ((len(rows) - start).bit_length() - 1))
        values = tuple(chain.from_iterable(rows[start : start + size]))
        found += connection.execute(_of_rows(query, size), values).fetchall()
        start += size
    return found


@cache
def _of_rows(query: str, size: int) -> str:
    before, start, rest = query.partition("(?")
    row, end, after = f"{start}{rest}".partition(")")
    return before + ", ".join([row + end] * size) + after
