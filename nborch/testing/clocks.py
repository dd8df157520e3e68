"""A clock that stands still until it is turned."""

import threading
from datetime import UTC, datetime, timedelta

__all__ = ["Clock"]


class Clock:
    """A clock turned by hand, for whatever takes a function that tells the time.

    >>> clock = Clock(datetime(2024, 1, 31, tzinfo=UTC))
    >>> clock.turn(hours=36)
    >>> clock.now.isoformat()
    '2024-02-01T12:00:00+00:00'
    >>> clock()
    1706788800.0

    Parameters
    ----------
    start
        What it shows first; the present time if not given.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = (start or datetime.now(UTC)).timestamp()
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Return the seconds since 1970 that it shows."""
        return self._now

    @property
    def now(self) -> datetime:
        """The time that it shows."""
        return datetime.fromtimestamp(self._now, UTC)

    def turn(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> None:
        """Turn it on; or back, as happens to real ones, by negative numbers."""
        by = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        with self._lock:
            self._now += by.total_seconds()

    def __repr__(self) -> str:
        return f"<Clock at {self.now.isoformat()}>"
