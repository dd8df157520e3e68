"""What `bench_schedules` asks of each library: times of cron expressions, and how long.

``python schedule_work.py LIBRARY`` reads questions as JSON from standard input and
prints the answers: for each, seconds since 1970, or null if the library refuses it.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

Times = Iterator[datetime]
ROUNDS = 5
CALLS = 200


def by_nborch(text: str, after: datetime) -> Times:
    """Yield the times that nborch finds."""
    from nborch.schedules import CronSchedule

    zone = after.tzinfo
    schedule = CronSchedule(text, getattr(zone, "key", "UTC"))
    while (found := schedule.next(after)) is not None:
        yield found
        after = found


def by_cronsim(text: str, after: datetime) -> Times:
    """Yield the times that cronsim finds."""
    from cronsim import CronSim

    yield from CronSim(text, after)


def by_croniter(text: str, after: datetime) -> Times:
    """Yield the times that croniter finds."""
    from croniter import croniter

    found = croniter(text, after)
    while True:
        yield found.get_next(datetime)


def by_prefect(text: str, after: datetime) -> Times:
    """Yield the times that Prefect finds."""
    from prefect.server.schemas.schedules import CronSchedule

    schedule = CronSchedule(cron=text, timezone=getattr(after.tzinfo, "key", "UTC"))
    yield from asyncio.run(schedule.get_dates(n=MOST, start=after))


LIBRARIES: dict[str, Callable[[str, datetime], Times]] = {
    "nborch": by_nborch,
    "cronsim": by_cronsim,
    "croniter": by_croniter,
    "prefect": by_prefect,
}
MOST = 400


def answer(ask: Callable[[str, datetime], Times], question: Any) -> list[float] | None:
    """Return the first times after one, or None if the expression is refused."""
    zone, text, start, count = question
    after = datetime.fromtimestamp(start, UTC).astimezone(ZoneInfo(zone))
    try:
        # NB. Each by its own clock: two times of one zone compare as they are shown.
        return [each.timestamp() for each in islice(ask(text, after), count)]
    except Exception:  # noqa: BLE001  # each library has errors of its own
        return None


def microseconds(ask: Callable[[str, datetime], Times], text: str) -> float | None:
    """Return how long it takes to read an expression and find its next time."""
    after = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    try:
        next(ask(text, after))
        best = min(_seconds(ask, text, after) for _ in range(ROUNDS))
    except Exception:  # noqa: BLE001  # as above
        return None
    return best / CALLS * 1e6


def _seconds(
    ask: Callable[[str, datetime], Times], text: str, after: datetime
) -> float:
    begin = time.perf_counter()
    for _ in range(CALLS):
        next(ask(text, after))
    return time.perf_counter() - begin


def main() -> None:
    """Answer all questions."""
    ask = LIBRARIES[sys.argv[1]]
    asked = json.load(sys.stdin)
    answers = [answer(ask, question) for question in asked["questions"]]
    times = {}
    if sys.argv[1] != "prefect":  # it answers by the hundred only
        times = {text: microseconds(ask, text) for text in asked["timed"]}
    print(json.dumps({"answers": answers, "microseconds": times}))


if __name__ == "__main__":
    main()
