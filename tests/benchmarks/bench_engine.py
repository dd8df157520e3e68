"""The engine beside Prefect's: calls, submits, maps, subflows, hits and limits.

Both sides run the same program, ``engine_work.py``, where only the import root
differs, each in a process of its own with a home of its own, logging at its default
level to nowhere. Prefect's processes have started their server before anything is
timed, and its time ends with the last result; what it still writes afterwards is not
counted. nborch's time ends when the flow has returned and all of it is on disk. Only
the first flow of a process is timed whole on both sides.

``--quick`` has smaller counts, ``--alone`` leaves Prefect out, and names choose rows.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_import import measured as measured_import
from peers import own_python, python_with

FOLDER = Path(__file__).parent
PATIENCE = 600
Measured = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One line of the table: a piece of work, and what to make of its seconds."""

    title: str
    piece: str
    count: int
    #: How many times faster than Prefect it is to be.
    aim: float
    quick: int
    rounds: int = 3
    unit: str = "ms"

    def asked(self, *, quick: bool) -> str:
        """Return the piece of work as ``engine_work.py`` wants it."""
        return f"{self.piece}:{self.quick if quick else self.count}"


ROWS = [
    Row("task call", "call", 1000, 50, 100),
    Row("submit, 8 threads", "submit", 1000, 50, 100),
    Row("map, 8 threads", "map", 1000, 50, 100),
    Row("subflow", "subflow", 10, 200, 2, rounds=1),
    Row("hit, an int", "hit_int", 200, 50, 50),
    Row("hit, 100 MiB array", "hit_array", 5, 1000, 2, rounds=1),
    Row("the same, and its sum", "read_array", 5, 1, 2, rounds=1),
]
LIMIT = Row("limit 5", "limit", 40, 1, 10, rounds=1)
STAMPEDE = Row("5 submits of one key", "stampede", 5, 1, 5, rounds=1)
#: How long nothing but sleeping takes: 40 tasks of 50 ms, five at a time.
IDEAL = 0.05 / 5


class Side:
    """One of the two packages: its Python, its home and what it measured."""

    def __init__(self, root: str, python: Path, home: Path) -> None:
        self.root = root
        self.python = python
        self.environ = {
            **os.environ,
            f"{root.upper()}_HOME": str(home / root),
            "DO_NOT_TRACK": "1",
        }

    def work(self, *pieces: str) -> list[Measured]:
        """Return what a new process measured for each piece, as far as it came."""
        command = [self.python, FOLDER / "engine_work.py", self.root, *pieces]
        try:
            done = subprocess.run(
                command,
                env=self.environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            print(f"{self.root} {' '.join(pieces)}: too slow", file=sys.stderr)
            return []
        lines = [told for told in done.stdout.splitlines() if told.startswith("{")]
        # Prefect's server may end with an error when all is measured.
        if len(lines) < len(pieces):
            last = done.stderr.strip().rpartition("\n")[2]
            print(f"{self.root} {' '.join(pieces)}: {last}", file=sys.stderr)
        return [json.loads(told) for told in lines]

    def seconds(self, measured: Iterable[Measured]) -> float:
        """Return the median seconds, counted as the module's docstring says."""
        which = "within" if self.root == "prefect" else "whole"
        return statistics.median(m[which] for m in measured)

    def measure(self, rows: list[Row], *, quick: bool) -> dict[str, list[Measured]]:
        """Return what was measured, by piece of work."""
        found: dict[str, list[Measured]] = {}
        for row in rows:
            asked = [row.asked(quick=quick)] * (1 if quick else row.rounds)
            # A process for each: one that fails leaves the others.
            found[row.piece] = self.work(*asked)
        return found

    def first(self, rounds: int) -> list[Measured]:
        """Return what the first flow took in new processes, with a home in use."""
        self.work("first")
        return [m for _ in range(rounds) for m in self.work("first")]

    @property
    def version(self) -> str:
        """Which release it is."""
        code = f"from importlib.metadata import version; print(version({self.root!r}))"
        told = subprocess.run(
            [self.python, "-c", code], check=True, capture_output=True, text=True
        )
        return told.stdout.strip()


def prefect_python() -> Path:
    """Return the Python that has Prefect, and NumPy for its arrays."""
    python = python_with("prefect")
    ready = subprocess.run(
        [python, "-c", "import numpy"], check=False, stderr=subprocess.DEVNULL
    )
    if ready.returncode:
        # Newer releases of fastapi lack what Prefect's server asks of it.
        pip = [python, "-m", "pip", "install", "--quiet", "numpy", "fastapi<0.151"]
        subprocess.run([*pip, "--disable-pip-version-check"], check=True)
    return python


def line(title: str, *cells: str) -> None:
    """Print a line of the table."""
    print(f"{title:<24}{''.join(f'{cell:>13}' for cell in cells)}", flush=True)


def shown(seconds: float | None) -> str:
    """Return seconds as milliseconds, to three digits."""
    return "-" if seconds is None else f"{float(f'{1000 * seconds:.3g}'):,g} ms"


def ratio(peer: float | None, own: float | None) -> str:
    """Return how many times faster nborch is."""
    return "-" if peer is None or own is None else f"{float(f'{peer / own:.2g}'):,g}x"


def compare(sides: list[Side], rows: list[Row], *, quick: bool) -> None:
    """Print the table of what is measured in a warm process."""
    results = {side.root: side.measure(rows, quick=quick) for side in sides}
    for row in rows:
        count = row.quick if quick else row.count
        each: dict[str, float | None] = dict.fromkeys(["prefect", "nborch"])
        for side in sides:
            if measured := results[side.root][row.piece]:
                each[side.root] = side.seconds(measured) / count
        peer, own = each["prefect"], each["nborch"]
        line(row.title, shown(peer), shown(own), ratio(peer, own), f"{row.aim:,g}x")


def compare_starts(sides: list[Side], *, quick: bool) -> None:
    """Print what an import and the first flow of a process take."""
    rounds = 1 if quick else 3
    bare, _ = measured_import(own_python(), "pass", rounds)
    imports, flows = {}, {}
    for side in sides:
        statement = f"from {side.root} import flow, task"
        total, _ = measured_import(side.python, statement, rounds)
        imports[side.root] = (total - bare) / 1000
        if measured := side.first(rounds):
            # What one waits for: Prefect starts its server within the first flow.
            flows[side.root] = statistics.median(m["whole"] for m in measured)
    for title, found, aim in (("import", imports, ""), ("first flow", flows, "30x")):
        peer, own = found.get("prefect"), found.get("nborch")
        line(title, shown(peer), shown(own), ratio(peer, own), aim)


def compare_limits(sides: list[Side], *, quick: bool) -> None:
    """Print what a limit costs over sleeping, and what a stampede executes."""
    count = LIMIT.quick if quick else LIMIT.count
    ideal = count * IDEAL
    limits: dict[str, float] = {}
    executed: dict[str, int] = {}
    for side in sides:
        if measured := side.work(LIMIT.asked(quick=quick)):
            # Both sides' time within the flow: what is asked is who waits how long.
            limits[side.root] = measured[0]["within"]
        if measured := side.work(STAMPEDE.asked(quick=quick)):
            executed[side.root] = measured[0]["executions"]
    peer, own = limits.get("prefect"), limits.get("nborch")
    title = f"limit 5: {count} x 50 ms"
    line(title, shown(peer), shown(own), ratio(peer, own), f"{1.1 * ideal:.3g} s")
    runs = [str(executed.get(root, "-")) for root in ("prefect", "nborch")]
    line(STAMPEDE.title, *runs, "", "1")


def scale(side: Side, *, quick: bool) -> None:
    """Print how nborch does with many runs."""
    sizes = (1_000, 3_000) if quick else (10_000, 30_000, 100_000)
    print()
    line("nborch alone", "seconds", "each", "memory each", "aim")
    for size in sizes:
        for measured in side.work(f"mapped:{size}"):
            each = side.seconds([measured]) / size
            memory = f"{measured['kilobytes']:.2g} KB"
            line(f"map of {size:,}", f"{measured['whole']:.2f}", shown(each), memory)
    for measured in side.work(f"traced:{sizes[0]}"):
        memory = f"{measured['kilobytes']:.2g} KB"
        line(f"  Python's own, {sizes[0]:,}", "", "", memory, "5 KB")
    for measured in side.work(f"chain:{sizes[0]}"):
        each = side.seconds([measured]) / sizes[0]
        line(f"chain of {sizes[0]:,}", f"{measured['whole']:.2f}", shown(each))


def main() -> None:
    """Print both tables, or what was asked for."""
    names = [row.piece for row in ROWS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "rows", nargs="*", help=f"start, {', '.join(names)}, limits, scale"
    )
    parser.add_argument("--quick", action="store_true", help="smaller counts")
    parser.add_argument("--alone", action="store_true", help="without Prefect")
    chosen = parser.parse_args()
    wanted = set(chosen.rows or ["start", *names, "limits", "scale"])
    if unknown := wanted - {"start", *names, "limits", "scale"}:
        parser.error(f"no row named {sorted(unknown)}")
    with tempfile.TemporaryDirectory(prefix="bench-engine-") as folder:
        own = Side("nborch", own_python(), Path(folder))
        sides = [own]
        if not chosen.alone and wanted != {"scale"}:
            sides.insert(0, Side("prefect", prefect_python(), Path(folder)))
        print(", ".join(f"{side.root} {side.version}" for side in sides))
        line("", "prefect", "nborch", "ratio", "aim")
        if "start" in wanted:
            compare_starts(sides, quick=chosen.quick)
        rows = [row for row in ROWS if row.piece in wanted]
        compare(sides, rows, quick=chosen.quick)
        if "limits" in wanted:
            compare_limits(sides, quick=chosen.quick)
        if "scale" in wanted:
            scale(own, quick=chosen.quick)


if __name__ == "__main__":
    main()
