"""Cron schedules beside cronsim, croniter and Prefect's: who is right, and how fast.

What is right is said by an oracle that plays Debian's cron minute by minute
(``tests/unit/cron_oracle.py``). Everybody is asked the same questions: 18 days on which
a clock is changed, and random expressions of five fields around such days in seven
zones. An expression that a library refuses is counted apart.
"""

import json
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from peers import own_python, python_with

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "unit"))

from cron_oracle import (  # noqa: E402  # found by the line above
    CASES,
    ZONES,
    Cron,
    expected,
    random_expression,
)

SEED = 7
EXPRESSIONS = 1_000
#: Times that are compared, from shortly before a clock is changed.
MOST = 60
TIMED = (
    "* * * * *",
    "*/15 9-17 * * 1-5",
    "0 8 * * 1-5",
    "30 2 1,15 * *",
    "0 0 29 2 *",
    "0 0 13 * 5",
)
Question = tuple[str, str, float, int]


def random_questions(rng: random.Random) -> list[tuple[Question, list[float]]]:
    """Return questions and their right answers."""
    found = []
    for zone, days in ZONES.items():
        windows = []
        for day in days:
            middle = datetime.fromisoformat(day).replace(tzinfo=UTC)
            start, end = middle - timedelta(hours=30), middle + timedelta(days=25)
            windows.append((start, Cron(zone, start, end)))
        for number in range(EXPRESSIONS // len(ZONES) + 1):
            text = random_expression(rng)
            start, cron = windows[number % 2]
            times = [each.timestamp() for each in cron.times(text)][:MOST]
            # The oracle begins with the minute itself.
            question = (zone, text, start.timestamp() - 60, len(times))
            found.append((question, times))
    return found[:EXPRESSIONS]


def clock_questions() -> list[tuple[Question, list[float]]]:
    """Return the cases of clock changes and their right answers."""
    found = []
    for zone, day, text, told in CASES:
        start, times = expected(zone, day, told)
        right = [each.timestamp() for each in times]
        found.append(((zone, text, start.timestamp(), len(right)), right))
    return found


def asked(library: str, python: Path, questions: list[Question]) -> dict[str, Any]:
    """Return what a library answers."""
    done = subprocess.run(
        [python, FOLDER / "schedule_work.py", library],
        input=json.dumps({"questions": questions, "timed": TIMED}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def main() -> None:
    """Print the tables."""
    clocks, drawn = clock_questions(), random_questions(random.Random(SEED))
    both = clocks + drawn
    rows = []
    for library, python in (
        ("nborch", own_python()),
        ("cronsim", python_with("cronsim", "tzdata")),
        ("croniter", python_with("croniter", "tzdata")),
        ("prefect", python_with("prefect")),
    ):
        told = asked(library, python, [question for question, _ in both])
        marks = [
            "refused" if answer is None else "right" if answer == right else "wrong"
            for answer, (_, right) in zip(told["answers"], both, strict=True)
        ]
        rows.append((library, marks, told["microseconds"]))
    print(f"\n{'':<10}{'clock changes':>15}{'random':>17}{'':>10}")
    print(f"{'library':<10}{'right':>15}{'wrong':>17}{'refused':>10}")
    for library, marks, _ in rows:
        first, rest = marks[: len(clocks)], marks[len(clocks) :]
        right = f"{first.count('right')} of {len(first)}"
        wrong = f"{rest.count('wrong')} of {len(rest)}"
        print(f"{library:<10}{right:>15}{wrong:>17}{rest.count('refused'):>10}")
    names = [library for library, _, times in rows if times]
    print(f"\n{'read and find next, us':<24}" + "".join(f"{n:>10}" for n in names))
    for text in TIMED:
        times = [took[text] for _, _, took in rows if took]
        print(f"{text:<24}" + "".join(f"{took:>10.1f}" for took in times))


if __name__ == "__main__":
    main()
