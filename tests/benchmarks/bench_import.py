"""``from nborch import flow, task`` beside Prefect's and bare Python.

Each is the median of fresh processes. Law 7: you pay for what you use.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from peers import own_python, python_with

ROUNDS = 15
COUNT = "import sys; {}; print(len(sys.modules))"


def measured(python: Path, statement: str, rounds: int) -> tuple[float, int]:
    """Return milliseconds of a process that runs `statement`, and its modules."""
    code = COUNT.format(statement)
    times, modules = [], 0
    for _ in range(rounds):
        start = time.perf_counter()
        told = subprocess.run(
            [python, "-c", code], check=True, capture_output=True, text=True
        )
        times.append(time.perf_counter() - start)
        modules = int(told.stdout)
    return statistics.median(times) * 1000, modules


def main() -> None:
    """Print the table."""
    statement = "from {} import flow, task"
    rows = [
        ("bare Python", *measured(own_python(), "pass", ROUNDS)),
        ("nborch", *measured(own_python(), statement.format("nborch"), ROUNDS)),
        ("prefect", *measured(python_with("prefect"), statement.format("prefect"), 5)),
    ]
    bare = rows[0][1]
    print(f"\n{'import':<14}{'process ms':>12}{'own ms':>10}{'modules':>10}")
    for name, total, modules in rows:
        print(f"{name:<14}{total:>12.0f}{total - bare:>10.0f}{modules:>10}")
    ratio = (rows[2][1] - bare) / (rows[1][1] - bare)
    print(f"nborch imports {ratio:.0f} times faster than prefect.")


if __name__ == "__main__":
    sys.exit(main())
