"""Cells under ``%%task`` beside joblib.Memory, marimo's persistent cache and ipyflow.

Each tool runs the same cells in a process of its own: a trivial one that is restored
and one that is new, one that makes 100 MiB, and pairs of values of which a cell could
tell the second from the first. What is counted are the milliseconds above those of a
plain cell, within a real kernel; ipyflow restores no cell that a cell runs, and is
timed by the round trips of messages. joblib and marimo have no kernel, and joblib keeps
functions in place of cells. ipyflow keeps results in memory and loses them with the
kernel.

``--alone`` leaves the peers out, ``--profile`` shows where the time of a cell goes.
"""

import argparse
import ast
import cProfile
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from cell_work import BIG, PAIRS
from peers import ROOT, own_python, python_with

FOLDER = Path(__file__).parent
PATIENCE = 400
#: What each row aims at, in milliseconds above a plain cell.
AIMS = {"hit": 2.0, "miss": 5.0, "big": 5.0}
TITLES = {"hit": "trivial hit", "miss": "trivial miss", "big": "100 MiB array, hit"}
PEERS = {"joblib": (), "marimo": ("numpy", "pandas"), "ipyflow": ("numpy", "pandas")}
Measured = dict[str, Any]


def measured(tool: str) -> Measured | str:
    """Return what a tool measured in a new folder, or why it did not."""
    try:
        own = tool in {"nborch", "joblib"}
        python = own_python() if own else python_with(tool, *PEERS[tool])
    except subprocess.CalledProcessError as error:
        return f"cannot be installed here ({error})"
    with tempfile.TemporaryDirectory(prefix="bench-cells-") as folder:
        environ = {**os.environ, "NBORCH_HOME": str(Path(folder, "home"))}
        if own:
            environ["PYTHONPATH"] = str(ROOT)
        # Where ipyflow's kernel is found.
        environ["JUPYTER_PATH"] = str(python.parents[1] / "share" / "jupyter")
        try:
            done = subprocess.run(
                [python, FOLDER / "cell_work.py", tool, folder],
                capture_output=True,
                text=True,
                cwd=folder,
                env=environ,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"took more than {PATIENCE} s"
    answers = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not answers:
        return f"failed ({done.stderr.strip().rpartition(chr(10))[2]})"
    found: Measured = json.loads(answers[-1])
    return found


def shell() -> Any:
    """Return an IPython shell of this process with nborch, which shows nothing."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from nborch.notebook.magics import load_ipython_extension

    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    made = InteractiveShell.instance(config=config)
    load_ipython_extension(made)
    made.display_pub.publish = lambda *_, **__: None
    return made


def in_process(rounds: int = 200) -> Measured:
    """Return the milliseconds of a plain cell, a hit, a miss and an array's hit."""
    made = shell()

    def one(source: str) -> float:
        began = time.perf_counter()
        made.run_cell(source, store_history=True)
        return 1000 * (time.perf_counter() - began)

    one("import numpy as np")
    one("%%task\nx = 0")
    plain = median(one(f"x = {n}") for n in range(rounds))
    miss = median(one(f"%%task\nx = {n}") for n in range(1, rounds))
    hit = median(one("%%task\nx = 1") for _ in range(rounds))
    one(f"%%task\n{BIG}")
    big = median(one(f"%%task\n{BIG}") for _ in range(9))
    return {
        "plain": plain,
        "hit": hit - plain,
        "miss": miss - plain,
        "big": big - plain,
    }


def analysed(lines: int = 30) -> float:
    """Return the milliseconds of analysing a cell of 30 lines, beside Python's parser."""
    from nborch.notebook.analysis import analyse

    text = "\n".join(
        f"a{n} = [f(v, k={n}) for v in a{n - 1} if v > b{n}]" for n in range(lines)
    )

    def once(action: Any) -> float:
        began = time.perf_counter()
        action(text)
        return 1000 * (time.perf_counter() - began)

    parse = median(once(ast.parse) for _ in range(20))
    whole = median(once(analyse) for _ in range(20))
    print(f"analysis of {lines} lines: {whole:.2f} ms, of which parsing {parse:.2f} ms")
    return whole


def profile() -> None:
    """Print where the time of hits and of misses goes."""
    made = shell()
    made.run_cell("%%task\nx = 1")
    for what, cells in {
        "hits": ["%%task\nx = 1"] * 200,
        "misses": [f"%%task\nx = {n}" for n in range(2, 202)],
    }.items():
        watch = cProfile.Profile()
        watch.enable()
        for cell in cells:
            made.run_cell(cell, store_history=True)
        watch.disable()
        print(f"-- 200 {what}")
        pstats.Stats(watch).sort_stats("cumulative").print_stats(45)


def compare(tools: list[str]) -> int:
    """Print the table; return how many pairs nborch has got wrong."""
    found = {tool: measured(tool) for tool in tools}
    for tool, told in found.items():
        if isinstance(told, str):
            print(f"{tool}: {told}")
    good = {tool: told for tool, told in found.items() if isinstance(told, dict)}
    print(f"{'':22}" + "".join(f"{tool:>12}" for tool in good) + f"{'aim':>8}")
    for row, title in TITLES.items():
        cells = "".join(f"{told[row]:9.2f} ms" for told in good.values())
        print(f"{title:22}{cells}{AIMS[row]:5.0f} ms")
    print("Milliseconds above a plain cell.\n")
    for number, (one, other) in enumerate(PAIRS):
        words = [told["wrong"][number] for told in good.values()]
        told = "".join(f"{w if isinstance(w, str) else w[0]:>12}" for w in words)
        if told.strip():
            print(f"{f'{one} / {other}':76}{told}")
    for tool, told in good.items():
        if not told.get("restores", True):
            print(f"{tool}: a cell that reads the clock was not restored")
        hits = sum(word == "false hit" for word in told["wrong"])
        crashes = sum(isinstance(word, list) for word in told["wrong"])
        print(f"{tool}: {hits} false hits and {crashes} crashes in {len(PAIRS)} pairs")
    ours = good.get("nborch")
    return sum(bool(word) for word in ours["wrong"]) if ours else 1


def main() -> int:
    """Measure everything; the return code tells of false hits of ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alone", action="store_true", help="leave the peers out")
    parser.add_argument("--profile", action="store_true", help="show where time goes")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-cells-") as folder:
        os.environ["NBORCH_HOME"] = folder
        if chosen.profile:
            profile()
            return 0
        analysed()
        ours = in_process()
        told = ", ".join(f"{name} {value:.2f} ms" for name, value in ours.items())
        print(f"in this process: {told} (above the plain cell)")
    return compare(["nborch", *([] if chosen.alone else PEERS)])


if __name__ == "__main__":
    sys.exit(main())
