"""Addresses: where the page of a run is, for who sees its graph somewhere else.

Inside Jupyter, the browser finds it by itself: the server's extension tells the page
which home it shows (`mark`), and a graph says of which home its run is. Anywhere else
a server that runs by itself has left its address in the home.
"""

import json
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from nborch.home import Home
from nborch.leasing import is_alive

__all__ = ["address_of", "forget_address", "mark", "note_address", "noted", "page_of"]

#: Where a server leaves its address in a home.
FILE = "server.json"


def mark(home: Home) -> str:
    """Return what tells a home from others, and nobody where it lies."""
    return sha256(os.path.realpath(home.folder).encode()).hexdigest()[:16]


def page_of(home: Home, run_id: str) -> str | None:
    """Return the address of a run's page; None if no server runs by itself."""
    address = address_of(home)
    return None if address is None else f"{address}runs/{quote(run_id)}"


def note_address(home: Home, address: str) -> None:
    """Leave the address of a server in its home, for as long as this process lives.

    Parameters
    ----------
    address
        It ends with a slash. NB. Without a token: it may stand in a saved notebook.
    """
    path = home.folder / FILE
    part = path.with_name(f".{FILE}.{os.getpid()}")
    told = json.dumps({"address": address, "process": home.process})
    with suppress(FileNotFoundError):
        part.unlink()
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(told)
    part.replace(path)


def forget_address(home: Home) -> None:
    """Take the address back, unless another server has left its own since."""
    if noted(home).get("process") == home.process:
        (home.folder / FILE).unlink(missing_ok=True)


def noted(home: Home) -> dict[str, str]:
    """Return the address of a server and the name of its process, if one is noted."""
    try:
        told = json.loads((home.folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(told, dict):
        return {}
    known = {name: told.get(name) for name in ("address", "process")}
    return {name: text for name, text in known.items() if isinstance(text, str)}


def address_of(home: Home) -> str | None:
    """Return the address of a server that runs by itself; None if none does.

    ::

        address_of(home)  # 'http://127.0.0.1:4200/'
    """
    told = noted(home)
    if len(told) < 2:  # noqa: PLR2004  # both
        return None
    folder: Path = home.folder / "processes"
    is_web = told["address"].startswith(("http://", "https://"))
    return told["address"] if is_web and is_alive(folder, told["process"]) else None
