"""Notebooks beside papermill's own engine: how long until one has run.

Each side runs the same notebooks in a process of its own, papermill through
``execute_notebook`` and through its command, nborch through ``notebook_flow`` and
through papermill with ``engine_name="nborch"``. Warm means that a kernel waits, as it
does wherever notebooks are run again and again.

``--quick`` has fewer and smaller rounds; names choose rows.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from peers import ROOT, own_python

FOLDER = Path(__file__).parent
COPIES = 8


def write(path: Path, sources: list[str], parameters: str = "") -> Path:
    """Write a notebook of these cells, the first one with the parameters."""
    from nbformat.v4 import new_code_cell, new_notebook, writes

    cells = [new_code_cell(source) for source in sources]
    if parameters:
        first = new_code_cell(parameters, metadata={"tags": ["parameters"]})
        cells.insert(0, first)
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nb = new_notebook(cells=cells, metadata={"kernelspec": spec})
    path.write_text(writes(nb))
    return path


def trivial(count: int) -> list[str]:
    """Return cells that do next to nothing."""
    return [f"x{number} = {number}" for number in range(count)]


def loud(count: int) -> list[str]:
    """Return cells that print ten megabytes together."""
    size = 10_000_000 // count
    return [f"print('{'x' * 99}\\n' * {size // 100}, end='')"] * count


#: Takes one second of one processor, however many there are.
SECOND = """%%task t{number} --no-cache
import time
began = time.process_time()
while time.process_time() - began < 1:
    pass
x{number} = {number}"""


def tasks(count: int) -> list[str]:
    """Return cell tasks of a second each that do not need each other."""
    return [SECOND.format(number=number) for number in range(count)]


#: Takes about a second of one processor.
WORK = """
total = 0
for number in range(rounds):
    total += number * number % 7
"""


def measured(what: str, notebook: Path, rounds: int, folder: Path) -> list[float]:
    """Return the seconds of each round, in a process of its own."""
    if what == "papermill command":
        return [command_seconds("papermill", notebook, folder) for _ in range(rounds)]
    if what == "nborch command":
        return [command_seconds("nborch", notebook, folder) for _ in range(rounds)]
    done = subprocess.run(
        [own_python(), __file__, "--side", what, str(notebook), str(rounds)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environ(folder),
        check=True,
    )
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def environ(folder: Path) -> dict[str, str]:
    """Return the variables for each side: a home of its own, and this nborch."""
    return {
        **os.environ,
        "NBORCH_HOME": str(folder / "home"),
        "NBORCH_LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }


def command_seconds(program: str, notebook: Path, folder: Path) -> float:
    """Return how long a command takes."""
    out = str(folder / "out.ipynb")
    command = [own_python(), "-m", "papermill", str(notebook), out, "--no-progress-bar"]
    if program == "nborch":
        command = [own_python(), "-m", "nborch", "run", str(notebook), "-o", out]
    started = time.perf_counter()
    subprocess.run(
        command, cwd=folder, env=environ(folder), check=True, capture_output=True
    )
    return time.perf_counter() - started


def be_a_side(what: str, notebook: Path, rounds: int) -> None:
    """Measure within this process, and print the seconds."""
    seconds = SIDES[what](notebook, rounds)
    sys.stdout.write("\n" + json.dumps(seconds) + "\n")


def timed(function: object, rounds: int, before: object = lambda: None) -> list[float]:
    """Return the seconds of each call."""
    seconds = []
    for _ in range(rounds):
        before()
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return seconds


def through_papermill(engine: str | None) -> object:
    """Return the side of papermill with one engine or another."""

    def measure(notebook: Path, rounds: int) -> list[float]:
        import papermill

        def run() -> None:
            papermill.execute_notebook(
                str(notebook), "out.ipynb", engine_name=engine, progress_bar=False
            )

        return timed(run, rounds)

    return measure


def warm(notebook: Path, rounds: int) -> list[float]:
    """Measure notebooks whose kernel waits."""
    from nborch import notebook_flow
    from nborch.notebook.kernels.pool import KernelPool

    run = notebook_flow(notebook)
    with KernelPool(size=1) as pool:
        # The first one imports what this process needs.
        pool.wait()
        run()
        return timed(run, rounds, pool.wait)


def in_process(notebook: Path, rounds: int) -> list[float]:
    """Measure notebooks that need no kernel."""
    from nborch import notebook_flow

    run = notebook_flow(notebook, engine="inprocess")
    run()
    return timed(run, rounds)


def work_alone(rounds: int) -> None:
    """Do what a copy does, in a process of its own, without any notebook."""
    exec(WORK, {"rounds": rounds})


def copies(notebook: Path, rounds: int) -> list[float]:
    """Return the seconds of eight copies at once, and those of their work alone.

    Without notebooks the work goes on in two bare processes that are there already:
    more than that two processors cannot do. Measured before and after, in turn.
    """
    from multiprocessing import get_context

    from nborch import notebook_flow
    from nborch.notebook.kernels.pool import KernelPool

    many = [rounds + number for number in range(COPIES)]
    run = notebook_flow(notebook, output=None)
    run(rounds=1)
    with get_context("fork").Pool(2) as pool:

        def bare() -> list[float]:
            return timed(lambda: pool.map(work_alone, many, chunksize=1), 1)

        before = bare()
        with KernelPool(size=2) as kernels:
            kernels.wait()
            at_once = timed(lambda: run.map(rounds=many).result(), 1)
        return [*at_once, median([*before, *bare()])]


def tasks_at_once(parallel: int) -> object:
    """Return the side whose cell tasks run so many at the same time."""

    def measure(notebook: Path, rounds: int) -> list[float]:
        from nborch import notebook_flow

        run = notebook_flow(notebook, output=None, parallel=parallel)
        return timed(run, rounds)

    return measure


SIDES = {
    "nborch one by one": tasks_at_once(1),
    "nborch two at once": tasks_at_once(2),
    "papermill": through_papermill(None),
    "nborch engine": through_papermill("nborch"),
    "nborch warm": warm,
    "nborch in process": in_process,
    "copies": copies,
}


def compare(
    title: str, sources: list[str], sides: dict[str, int], folder: Path
) -> None:
    """Print how long each side takes, the first one being the peer."""
    notebook = write(folder / "in.ipynb", sources)
    print(f"\n{title}")
    peer = 0.0
    for what, rounds in sides.items():
        seconds = median(measured(what, notebook, rounds, folder))
        peer = peer or seconds
        print(f"  {what:<20}{seconds * 1000:>10.0f} ms{peer / seconds:>8.1f} x")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer, smaller rounds")
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("rows", nargs="*", help="3, 100, 1000, loud, tasks, copies")
    chosen = parser.parse_args()
    if chosen.side:
        what, notebook, rounds = chosen.side
        be_a_side(what, Path(notebook), int(rounds))
        return
    many, rounds = (300, 2) if chosen.quick else (1000, 5)
    rows = chosen.rows or ["3", "100", "1000", "loud", "tasks", "copies"]
    engines = {"papermill": 1, "nborch engine": 1, "nborch in process": 1}
    with tempfile.TemporaryDirectory(prefix="bench-notebooks-") as name:
        folder = Path(name)
        if "3" in rows:
            sides = {"papermill command": min(rounds, 3), "papermill": rounds}
            sides |= {"nborch command": min(rounds, 3), "nborch engine": rounds}
            sides |= {"nborch warm": 2 * rounds, "nborch in process": 2 * rounds}
            compare("3 cells", trivial(3), sides, folder)
        if "100" in rows:
            compare("100 cells", trivial(100), engines, folder)
        if "1000" in rows:
            compare(f"{many} cells", trivial(many), engines, folder)
        if "loud" in rows:
            compare("100 cells that print 10 MB", loud(100), engines, folder)
        if "tasks" in rows:
            sides = {"nborch one by one": 2, "nborch two at once": 2}
            compare("4 tasks of a second on two processors", tasks(4), sides, folder)
        if "copies" in rows:
            show_copies(2_000_000 if chosen.quick else 8_000_000, folder)


def show_copies(rounds: int, folder: Path) -> None:
    """Print how near eight copies at once come to what two processors can do."""
    notebook = write(folder / "work.ipynb", [WORK], "rounds = 1")
    print(f"\n{COPIES} parameterised copies on two processors")
    for _ in range(3):
        at_once, bare = measured("copies", notebook, rounds, folder)
        told = f"{at_once * 1000:.0f} ms, their work alone {bare * 1000:.0f} ms"
        print(f"  {told:<48}{at_once / bare:>6.2f} x")


if __name__ == "__main__":
    main()
