"""Migrations: a store that an earlier nborch wrote becomes one of this nborch."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

from nborch.exceptions import StoreError
from nborch.store.connections import transaction
from nborch.store.queries import load_queries
from nborch.store.texts import any_text, json_text, run_key, utf8_text

__all__ = ["migrate"]


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the newest schema; refuse one from the future."""
    schema = load_queries("sqlite_schema.sql")
    if _version(connection) == len(schema):
        return
    for name, function in _FUNCTIONS.items():
        connection.create_function(name, -1, function)
    with transaction(connection):
        done = _version(connection)
        if done > len(schema):
            raise StoreError(
                f"The run store {str(path)!r} was written by a newer nborch "
                f"(schema {done}, this one knows {len(schema)}). Upgrade nborch "
                "or set NBORCH_HOME to another folder."
            )
        for number in range(done + 1, len(schema) + 1):
            for statement in schema[f"migration_{number}"].split(";\n"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(schema)}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


# What the statements of migration 3 read the old form with. Until then runs had their
# ids as text, and states and lines were JSON; in JSON stands what UTF-8 cannot hold.


def _key(run_id: str | None) -> bytearray | None:
    return None if run_id is None else run_key(run_id)


def _text(data: str, name: str) -> str:
    return utf8_text(json.loads(data)[name])


def _message(line: str) -> str | bytes:
    return any_text(json.loads(line)["message"])


def _state_name(state: str) -> str:
    name: str = json.loads(state)["name"]
    return "" if name == json.loads(state)["type"].title() else utf8_text(name)


def _state_told(state: str) -> str:
    values = json.loads(state)
    told = {name: values[name] for name in ("message", "details")}
    return "" if told == {"message": None, "details": {}} else json_text(told)


_FUNCTIONS: dict[str, Callable[..., str | bytes | bytearray | None]] = {
    "run_key": _key,
    "old_text": _text,
    "old_message": _message,
    "old_state_name": _state_name,
    "old_state_told": _state_told,
}
