"""A reserve: room on the disk that is given up when there is no other."""

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["Reserve"]

#: Bytes: enough for the ends of thousands of runs, and why they failed.
SIZE = 1 << 20


class Reserve:
    """Room beside a file, so that what happens on a full disk can still be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     reserve = Reserve(Path(folder) / "nborch.reserve")
    ...     reserve.lay_up()
    ...     reserve.give_up(), reserve.give_up()
    (True, False)
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def lay_up(self) -> None:
        """Take the room, if it is not taken and the disk has it."""
        with suppress(OSError):
            if self._path.exists():
                return
            taken = self._path.with_suffix(f".{os.getpid()}")
            try:
                with taken.open("xb") as file:
                    # NB. Written: a file with holes in it holds no room.
                    file.write(os.urandom(1) * SIZE)
                taken.chmod(0o600)
                taken.replace(self._path)
            finally:
                taken.unlink(missing_ok=True)

    def give_up(self) -> bool:
        """Let go of the room; tell whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
