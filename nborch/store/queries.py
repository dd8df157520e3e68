"""Named SQL: each query stands in a ``.sql`` file under ``-- name: its_name``."""

from functools import cache
from pathlib import Path

__all__ = ["load_queries"]


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
