"""Latches: to wait for something that another thread does, once."""

from threading import TIMEOUT_MAX, Lock

__all__ = ["Latch"]


class Latch:
    """Closed at first, and opened once.

    As `threading.Event`, but Ctrl-C may come at any moment: of an Event's wait it can
    leave the locks in disorder and arrive as a ``RuntimeError``, as they are written
    in Python.

    >>> latch = Latch()
    >>> latch.wait(0.01)
    False
    >>> latch.open()
    >>> latch.wait()
    True
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let go on who waits, now and later; opening again is the same as once."""
        try:  # noqa: SIM105  # every wait for a future comes here
            self._lock.release()
        except RuntimeError:
            pass  # it was open

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is open, or `timeout` seconds are over; tell whether it is."""
        seconds = -1 if timeout is None else min(max(timeout, 0), TIMEOUT_MAX)
        if not self._lock.acquire(timeout=seconds):
            return False
        self.open()  # for the others who wait
        return True
