"""Notes: what the clock changes of a year do to a schedule of wall times."""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

from nborch.schedules.clocks import ClockChange, changes, moment

__all__ = ["notes_on"]

YEAR = timedelta(days=366)
#: So many times are named; of more, the first and the last.
FEW = 3
_SECOND = timedelta(seconds=1)
Following = Callable[[datetime], datetime | None]


def notes_on(
    zone: tzinfo, after: datetime, following: Following, *, is_fixed: bool
) -> list[str]:
    """Return a sentence for each clock change of the year from `after` that matters.

    Parameters
    ----------
    following
        Returns the first wall time of the schedule that is later than a given one.
    is_fixed
        Whether a skipped time is made up for, and a repeated one comes once.
    """
    after = moment(after)
    notes = []
    met = None
    for change in changes(zone, after, after + YEAR):
        met = met or change
        first, last = sorted((change.wall_before, change.wall_after))
        walls = _walls(following, first, last)
        if walls:
            notes.append(_note(change, walls, is_fixed=is_fixed))
    if met and not notes:
        day = f"{met.wall_after:%A, %-d %B %Y}"
        moved = "forward" if met.is_forward else "back"
        notes = [f"It keeps its local time when the clock goes {moved} on {day}."]
    return notes


def _walls(following: Following, first: datetime, last: datetime) -> list[datetime]:
    """Return the wall times from `first` on and before `last`."""
    found = []
    wall = following(first - _SECOND)
    while wall is not None and wall < last:
        found.append(wall)
        wall = following(wall)
    return found


def _note(change: ClockChange, walls: list[datetime], *, is_fixed: bool) -> str:
    day = f"{change.wall_after:%A, %-d %B %Y}"
    end = f"{change.wall_after:%H:%M}"
    moved = f"from {change.wall_before:%H:%M} to {end}"
    times, is_one = _told(walls), len(walls) == 1
    if change.is_forward:
        head = f"On {day} the clock goes forward {moved}"
        if is_fixed:
            return f"{head}: what is due at {times} begins at {end}."
        return f"{head}: {times} {'does' if is_one else 'do'} not exist."
    counts = "only the first time counts" if is_fixed else "both times count"
    comes = "comes" if is_one else "come"
    return f"On {day} the clock goes back {moved}: {times} {comes} twice, and {counts}."


def _told(walls: list[datetime]) -> str:
    form = "%H:%M:%S" if any(wall.second for wall in walls) else "%H:%M"
    texts = [format(wall, form) for wall in walls]
    if len(texts) > FEW:
        return f"{texts[0]} to {texts[-1]}"
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last
