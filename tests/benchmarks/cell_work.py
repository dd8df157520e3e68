"""What each cache of cells is asked to do; run by the Python that has it.

``python cell_work.py TOOL FOLDER`` prints a line of JSON with the milliseconds of hits
and, for each pair of different values, whether the second one got the first one's
result. It needs nothing of nborch's unless nborch is the tool.
"""

import json
import subprocess
import sys
import textwrap
import time
from hashlib import sha256
from pathlib import Path
from statistics import median

#: Values that differ, each of which a cell may tell from the other.
PAIRS = [
    ("1", "'1'"),
    ("1", "True"),
    ("1", "1.0"),
    ("0.0", "-0.0"),
    ("[1, 2]", "(1, 2)"),
    ("{1: 2}", "{'1': 2}"),
    ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),
    ("(lambda one: [one, one])([1])", "[[1], [1]]"),
    ("2**70", "2**70 + 1"),
    ("{1, 2}", "frozenset({1, 2})"),
    ("np.ones(4)", "np.ones(4).reshape(2, 2)"),
    ("np.array([1.0])", "np.array([4607182418800017408])"),
    ("np.zeros(2, 'M8[s]')", "np.zeros(2, 'i8')"),
    ("pd.DataFrame({'a': [1]})", "pd.DataFrame({'b': [1]})"),
    ("pd.DataFrame({'a': [1]}, index=[0])", "pd.DataFrame({'a': [1]}, index=[5])"),
    ("pd.Series([1], name='a')", "pd.Series([1], name='b')"),
    ("marked(pd.DataFrame({'a': [1]}), 1)", "marked(pd.DataFrame({'a': [1]}), 2)"),
    ("pd.Categorical(['a'], ['a', 'b'])", "pd.Categorical(['a'], ['b', 'a'])"),
]

#: The module from which all tools take what tells values apart.
LOOKS = """
import numpy as np
import pandas as pd

def marked(frame, mark):
    frame.attrs["mark"] = mark
    return frame

def look(value):
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        return f"{kind} {value.dtype} {value.shape} {value.tolist()}"
    if isinstance(value, pd.DataFrame):
        return f"{kind} {value.to_dict('split')} {value.attrs}"
    if isinstance(value, pd.Series):
        return f"{kind} {value.to_dict()} {value.name}"
    if isinstance(value, pd.Categorical):
        return f"{kind} {list(value)} {list(value.categories)}"
    shared = isinstance(value, list) and value[0] is value[-1] and value[0] == [1]
    return f"{kind} {value!r} {shared}"
"""
ROUNDS = 60
BIG = "big = np.arange(13_107_200.0)"


def milliseconds(action):
    """Return how long an action takes."""
    began = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - began)


def in_a_kernel(folder, name, load, header):
    """Measure cells in a real kernel; ``name`` is that of its specification."""
    from jupyter_client.manager import start_new_kernel

    # IPython saves its history from another thread, and the next cell waits for that: the
    # longer a cell takes, the more of it, which is no cost of what the cell does.
    memory = ["--HistoryManager.hist_file=:memory:"]
    manager, client = start_new_kernel(
        kernel_name=name, cwd=str(folder), extra_arguments=memory
    )

    def run(source):
        # As a notebook sends it: ipyflow knows a cell again by its id.
        content = {"code": source, "allow_stdin": False, "store_history": True}
        known = {"cellId": sha256(source.encode()).hexdigest()[:8]}
        message = client.session.msg("execute_request", content, metadata=known)
        client.shell_channel.send(message)
        told, fault = [], None
        while True:
            heard = client.get_iopub_msg(timeout=120)
            if heard["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            content = heard["content"]
            told.append(content.get("text") or "")
            fault = content.get("traceback", fault)
            if content.get("execution_state") == "idle":
                break
        client.get_shell_msg(timeout=120)
        if fault is not None:
            raise RuntimeError("\n".join(fault)[-2000:])
        return "".join(told)

    try:
        run(f"{load}\nfrom looks import *\nimport numpy as np, pandas as pd")
        return kernel_work(run, header, within=name == "python3")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


#: Runs in the kernel: how long cells take that a cell runs one after the other.
CLOCK = """
def _clock(*sources):
    import time
    from statistics import median
    shell, took = get_ipython(), []
    for source in sources:
        began = time.perf_counter()
        shell.run_cell(source, store_history=True)
        took.append(1000 * (time.perf_counter() - began))
    print("TOOK", median(took))
"""


def kernel_work(run, header, *, within):
    """Measure cells, less what a plain one takes.

    They are timed by a cell that runs them, `within` the kernel; ipyflow restores no
    cell that a cell runs, and is timed by the round trips of messages.
    """
    run(CLOCK)

    def clock(*sources):
        if not within:
            return median(milliseconds(lambda s=s: run(s)) for s in sources)
        told = run(f"_clock(*{list(sources)!r})")
        return float(told.rpartition("TOOK ")[2].split()[0])

    plain = clock(*(f"x = {n}" for n in range(ROUNDS)))
    run(f"{header}\nx = 1")
    hit = clock(*[f"{header}\nx = 1"] * ROUNDS)
    miss = clock(*(f"{header}\nx = {n}" for n in range(2, ROUNDS)))
    run(f"{header}\n{BIG}")
    big = clock(*[f"{header}\n{BIG}"] * 9)
    found = {"hit": hit - plain, "miss": miss - plain, "big": big - plain}
    run("import time")
    clock_cell = f"{header}\nnow = time.time_ns()"
    run(clock_cell)
    run("first = now")
    run(clock_cell)
    found["restores"] = "True" in run("print(first == now)")
    found["wrong"] = []
    for number, (one, other) in enumerate(PAIRS):
        try:
            for value in (one, other):
                run(f"v = {value}")
                run(f"{header}\ny{number} = look(v)")
            right = run(f"print(y{number} == look({other}))").strip()
        except RuntimeError as error:
            found["wrong"].append(["crash", str(error).strip().rpartition("\n")[2]])
        else:
            found["wrong"].append("" if "True" in right else "false hit")
    return found


def nborch(folder):
    """Measure ``%%task``."""
    return in_a_kernel(folder, "python3", "%load_ext nborch", "%%task")


def ipyflow(folder):
    """Measure ``%%memoize``, which keeps results in memory."""
    return in_a_kernel(folder, "ipyflow", "", "%%memoize")


def joblib(folder):
    """Measure ``Memory.cache``: a function stands for each cell."""
    import numpy as np
    import pandas as pd
    from joblib import Memory
    from looks import look, marked

    memory = Memory(folder / "joblib", verbose=0)

    @memory.cache
    def small(value):
        return value

    @memory.cache
    def big():
        return np.arange(13_107_200.0)

    @memory.cache
    def looked(value, number):
        return look(value)

    names = {"np": np, "pd": pd, "marked": marked}
    small(1)
    big()
    found = {
        "hit": median(milliseconds(lambda: small(1)) for _ in range(ROUNDS)),
        "miss": median(milliseconds(lambda n=n: small(n)) for n in range(2, ROUNDS)),
        "big": median(milliseconds(big) for _ in range(9)),
        "wrong": [],
    }
    for number, (one, other) in enumerate(PAIRS):
        looked(eval(one, names), number)  # our own table
        value = eval(other, names)
        told = looked(value, number)
        found["wrong"].append("" if told == look(value) else "false hit")
    return found


MARIMO = """
import marimo
app = marimo.App()

@app.cell
def _():
    import json, os, time
    import marimo as mo
    import numpy as np
    import pandas as pd
    from looks import look, marked
    which = int(os.environ["WHICH"])
    pairs = json.loads(os.environ["PAIRS"])
    return json, look, marked, mo, np, os, pairs, pd, time, which

@app.cell
def _(mo, time):
    began = time.perf_counter()
    with mo.persistent_cache("small"):
        x = 1
    print("TIME small", 1000 * (time.perf_counter() - began))
    return

@app.cell
def _(mo, np, time):
    began_big = time.perf_counter()
    with mo.persistent_cache("big"):
        big = np.arange(13_107_200.0)
    print("TIME big", 1000 * (time.perf_counter() - began_big))
    return
"""
MARIMO_PAIR = """
@app.cell
def _(marked, np, pd, which):
    v{n} = ({one}) if which == 0 else ({other})
    return (v{n},)

@app.cell
def _(look, mo, v{n}):
    with mo.persistent_cache("pair{n}"):
        y{n} = look(v{n})
    print("PAIR {n}", y{n} == look(v{n}))
    return
"""


def marimo(folder):
    """Measure ``mo.persistent_cache`` blocks, in notebooks that are run as scripts."""
    import os

    def run(body, which):
        path = folder / "notebook.py"
        path.write_text(MARIMO + body + "\nif __name__ == '__main__':\n    app.run()\n")
        environ = {**os.environ, "WHICH": str(which), "PAIRS": "[]"}
        done = subprocess.run(
            [sys.executable, path],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.splitlines(), done.stderr

    pairs = {
        n: MARIMO_PAIR.format(n=n, one=one, other=other)
        for n, (one, other) in enumerate(PAIRS)
    }
    times = [dict(_times(run("", 0)[0])) for _ in range(4)]
    told = {}
    while len(told) < len(pairs):
        # A cell that crashes ends the script: what is left has one more try.
        body = "".join(pair for n, pair in pairs.items() if n not in told)
        for which in (0, 1):
            lines, fault = run(body, which)
            if fault and "Error" in fault:
                break
        found = dict(line.split()[1:] for line in lines if line.startswith("PAIR"))
        if which:
            told |= {
                int(n): "" if word == "True" else "false hit"
                for n, word in found.items()
            }
        left = [n for n in pairs if n not in told]
        if left and (not which or not found):
            said = {n for n in left if str(n) in found}
            told[min(set(left) - said or left)] = [
                "crash",
                fault.strip().rpartition("\n")[2],
            ]
    wrong = [told[n] for n in pairs]
    return {
        "miss": times[0]["small"],
        "hit": median(each["small"] for each in times[1:]),
        "big": median(each["big"] for each in times[1:]),
        "wrong": wrong,
    }


def _times(lines):
    for line in lines:
        if line.startswith("TIME"):
            _, name, number = line.split()
            yield name, float(number)


TOOLS = {tool.__name__: tool for tool in (nborch, joblib, marimo, ipyflow)}


def main():
    """Measure one tool in a folder."""
    _, tool, where = sys.argv
    folder = Path(where)
    (folder / "looks.py").write_text(textwrap.dedent(LOOKS))
    sys.path.insert(0, str(folder))
    print(json.dumps(TOOLS[tool](folder)))


if __name__ == "__main__":
    main()
