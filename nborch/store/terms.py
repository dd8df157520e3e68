"""Terms: until when somebody counts as alive without being heard of."""

import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Term", "Terms", "boot_id"]

#: Seconds for which a worker need not be heard of.
LEASE = 30.0


class Term(NamedTuple):
    """The end of a time that was granted, by two clocks.

    Parameters
    ----------
    boot
        Which start of which machine the steady clock counts from.
    ends
        By the steady clock: nobody turns it, and it stands still with the machine, so
        that a laptop that slept has lost nothing.
    ends_at
        By the wall's, for those to whom that steady clock says nothing.
    """

    boot: str
    ends: float
    ends_at: float


class Terms:
    """Grant terms, and tell whether one is over.

    >>> terms = Terms(30.0, steady=lambda: 5.0, wall=lambda: 0.0, boot="a")
    >>> terms.grant().ends, terms.is_over(Term("a", 4.9, 99.0))
    (35.0, True)

    Parameters
    ----------
    seconds
        How long a term is.
    """

    def __init__(
        self,
        seconds: float = LEASE,
        *,
        steady: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        boot: str | None = None,
    ) -> None:
        self.seconds = seconds
        self.wall = wall
        self._steady = steady
        self._boot = boot_id() if boot is None else boot

    def grant(self) -> Term:
        """Return a term that begins now."""
        seconds = self.seconds
        return Term(self._boot, self._steady() + seconds, self.wall() + seconds)

    def is_over(self, term: Term) -> bool:
        """Tell whether the time that was granted is over."""
        if term.boot == self._boot:
            return self._steady() > term.ends
        return self.wall() > term.ends_at


@cache
def boot_id() -> str:
    """Return what names this start of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]  # macOS
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    except OSError:
        return ""
    return done.stdout.strip()
