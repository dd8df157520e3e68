"""Where cell tasks stand, what would run and why, in real kernels."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nborch.home import open_home
from nborch.runs import RunKind
from nborch.settings import load_settings
from nborch.view.model import RunView

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX"),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def kernel(request, kernel_processes, tmp_path):
    """A kernel without names; with ``other`` a second one is made ready, too."""
    if "other" in request.fixturenames:
        return request.getfixturevalue("kernels")[0]
    kernel_processes[0].start_over(tmp_path / "home", tmp_path)
    return kernel_processes[0]


def task(name, body):
    return f"%%task {name}\n{textwrap.dedent(body).strip()}"


def run(kernel, cells):
    """Run the cells, of which one may raise on purpose."""
    for cell in cells:
        kernel(cell)


def rows(report):
    """Return what a report says of each task: its name and what follows it."""
    told = {}
    for line in report.result.splitlines():
        if line.startswith("  "):
            _, name, rest = line.split(maxsplit=2)
            told[name] = rest.strip()
    return told


def statuses(kernel):
    return {n: rest.split()[0] for n, rest in rows(kernel("%nborch status")).items()}


LOAD = task("load", "rows = [n, n + 1]")
CLEAN = task("clean", "kept = [r for r in rows if r]")
SUM = task("sum", "total = sum(kept)")
HELPER = "def scale(v): return v * factor\nfactor = 2"

#: name: (the cells in the order they run, where each task stands then)
STATUS = {
    "as they ran": (["n = 1", LOAD, CLEAN], {"load": "fresh", "clean": "fresh"}),
    "an input changed": (["n = 1", LOAD, "n = 2"], {"load": "stale"}),
    "an input is equal anew": (["n = 1", LOAD, "n = 2", "n = 1"], {"load": "fresh"}),
    "another name changed": (["n = m = 1", LOAD, "m = 2"], {"load": "fresh"}),
    "readers of what is stale": (["n = 1", LOAD, CLEAN, SUM, "n = 2"], {"load": "stale", "clean": "stale", "sum": "stale"}),
    "run again with an equal result": (["n = 1", task("sign", "s = n > 0"), task("end", "e = [s]"), "n = 2", task("sign", "s = n > 0")], {"sign": "fresh", "end": "fresh"}),
    "run again with another result": (["n = 1", LOAD, CLEAN, "n = 2", LOAD], {"clean": "stale", "load": "fresh"}),
    "run out of order": (["rows = [1]", CLEAN, "n = 1", LOAD, CLEAN, LOAD], {"load": "fresh", "clean": "fresh"}),
    "the reader first": (["rows = [1]", CLEAN, "n = 1", LOAD], {"clean": "fresh", "load": "fresh"}),
    "only what depends on it": (["n = 1; m = 1", LOAD, task("other", "o = m"), CLEAN, "m = 2"], {"load": "fresh", "other": "stale", "clean": "fresh"}),
    "changed in place by a plain cell": (["n = 1", LOAD, "rows.append(3)"], {"load": "dirty"}),
    "changed in place before its reader": (["n = 1", LOAD, "rows.append(3)", CLEAN], {"load": "dirty", "clean": "fresh"}),
    "changed in place after its reader": (["n = 1", LOAD, CLEAN, "rows.append(3)"], {"load": "dirty", "clean": "dirty"}),
    "bound anew by a plain cell": (["n = 1", LOAD, "rows = 3"], {"load": "dirty"}),
    "deleted by a plain cell": (["n = 1", LOAD, "del rows"], {"load": "dirty"}),
    "deleted by a task": (["n = 1", LOAD, task("end", "k = rows\ndel rows")], {"load": "fresh", "end": "fresh"}),
    "changed by another task": (["n = 1", LOAD, CLEAN, task("more", "rows.append(3)")], {"load": "fresh", "clean": "fresh", "more": "fresh"}),
    "two writers of one name": ([task("a", "x = 1"), task("b", "y = x"), task("c", "x = 5"), task("d", "z = x")], {"a": "fresh", "b": "fresh", "c": "fresh", "d": "fresh"}),
    "another version by a plain cell": (["n = 1", LOAD, CLEAN, "rows = rows + [9]"], {"load": "dirty", "clean": "fresh"}),
    "counting up": (["n = 1", task("up", "n = n + 1")], {"up": "fresh"}),
    "it raised": ([task("bad", "b = 1 / 0")], {"bad": "failed"}),
    "a reader of what raised": (["n = 1", LOAD, CLEAN, task("load", "rows = [n / 0]")], {"clean": "stale", "load": "failed"}),
    "not kept": ([task("shell", "!true")], {"shell": "uncached"}),
    "not kept, and an input was set": (["n = 1", task("shell", "!true\nm = n"), "n = 2"], {"shell": "stale"}),
    "not kept, and an input was made equal": (["n = 1", LOAD, task("shell", "!true\nm = rows"), LOAD], {"shell": "uncached", "load": "fresh"}),
    "a helper of a helper": (["def g(v): return v\ndef f(v): return g(v)", task("a", "x = f(1)"), "def g(v): return -v"], {"a": "stale"}),
    "a helper's comment": ([HELPER, task("a", "x = scale(1)"), HELPER + "  # so"], {"a": "fresh"}),
    "a helper's constant": ([HELPER, task("a", "x = scale(1)"), "factor = 3"], {"a": "stale"}),
    "a file": (["w = open('f.txt', 'w').write('1')", task("a", "x = open('f.txt').read()"), "w = open('f.txt', 'w').write('22')"], {"a": "stale"}),
    "a file that is changed back": (["w = open('f.txt', 'w').write('1')", task("a", "x = open('f.txt').read()"), "w = open('f.txt', 'w').write('22')", "w = open('f.txt', 'w').write('1')"], {"a": "fresh"}),
    "a variable": (["import os\nos.environ['REGION'] = 'eu'", task("a", "x = os.environ['REGION']"), "os.environ['REGION'] = 'us'"], {"a": "stale"}),
    "an unnamed cell that was edited": (["%%task\nx = 1", "%%task\nx = 2"], {"cell": "fresh"}),
    "a flow cell that sets an input": (["n = 1", LOAD, "%%flow\nn = 2"], {"load": "stale"}),
}  # fmt: skip


@pytest.mark.parametrize("name", STATUS)
def test_status(kernel, name):
    """A task is stale if and only if it would compute something else now."""
    cells, expected = STATUS[name]
    run(kernel, cells)

    told = statuses(kernel)

    assert told == expected, kernel("%nborch status").result


def send(kernel, source, cell, deleted=()):
    """Run a cell as JupyterLab does, with the ids of it and of deleted ones."""
    client = kernel.client
    content = {
        "code": source,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }
    metadata = {"cellId": cell, "deletedCells": list(deleted)}
    message = client.session.msg("execute_request", content, metadata=metadata)
    client.shell_channel.send(message)
    return kernel.wait(message["header"]["msg_id"])


def test_deleted_cell(kernel):
    """What a deleted cell has made is called an orphan, until it is gone itself."""
    send(kernel, task("load", "rows = [1]"), "a")
    send(kernel, task("clean", "kept = rows"), "b", deleted=["a"])

    told = statuses(kernel)
    send(kernel, "del rows", "c")

    assert told == {"load": "orphan", "clean": "fresh"}
    assert statuses(kernel) == {"clean": "fresh"}


def test_replaced_cell(kernel):
    """A task whose cell has become a plain one is an orphan."""
    send(kernel, task("load", "rows = [1]"), "a")
    send(kernel, "limit = 3", "a")

    assert statuses(kernel) == {"load": "orphan"}


def test_renamed_cell(kernel):
    """A cell keeps its history under another name, as long as the front end knows it."""
    send(kernel, task("load", "rows = [1]"), "a")
    ran = send(kernel, task("fetch", "rows = [2]"), "a")

    assert ran.badge.endswith("its code changed")
    assert statuses(kernel) == {"fetch": "fresh"}


def test_moved_cell(kernel):
    """A cell that was cut and pasted has another id, and is the same task."""
    send(kernel, task("load", "rows = [1]"), "a")
    moved = send(kernel, task("load", "rows = [1]"), "b", deleted=["a"])

    assert moved.outcome == "cached"
    assert statuses(kernel) == {"load": "fresh"}


def test_edited_plain_cell(kernel):
    """A plain cell that is run again with another value makes its readers stale."""
    send(kernel, "x = 1", "a")
    send(kernel, "x = x * 2", "b")
    send(kernel, task("load", "y = x"), "c")
    send(kernel, "x = x * 2", "b")

    assert statuses(kernel) == {"load": "stale"}


def test_another_plain_cell(kernel):
    """A plain cell that makes another version of a name leaves its readers fresh."""
    send(kernel, "x = 1", "a")
    send(kernel, task("load", "y = x"), "c")
    send(kernel, "x = x * 2", "b")

    assert statuses(kernel) == {"load": "fresh"}


#: name: (the cells, what is asked, what would be done with each task)
PLAN = {
    "nothing": (["n = 1", LOAD], "", {}),
    "the first and perhaps the next": (["n = 1", LOAD, CLEAN, SUM, "n = 2"], "", {"load": "run", "clean": "run if needed", "sum": "run if needed"}),
    "back to what it was": (["n = 1", LOAD, CLEAN, "n = 2", LOAD, CLEAN, "n = 1"], "", {"load": "restore", "clean": "restore"}),
    "of one": (["n = m = 1", LOAD, task("other", "o = m"), "n = m = 2"], "other", {"other": "run"}),
    "what it reads from, too": (["n = 1", LOAD, CLEAN, SUM, "n = 2"], "clean", {"load": "run", "clean": "run if needed"}),
    "an overwritten input": (["n = m = 1", LOAD, task("use", "u = [rows, m]"), task("grow", "rows = rows + [9]"), "m = 2"], "", {"load": "restore", "use": "run", "grow": "restore"}),
    "what was damaged stays": (["n = 1", LOAD, "rows.append(5)"], "", {}),
    "unless it is asked for": (["n = 1", LOAD, task("other", "o = 1"), "rows.append(5)"], "load", {"load": "restore"}),
    "what failed": ([task("bad", "b = 1 / 0")], "", {"bad": "run"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAN)
def test_plan(kernel, name):
    """A plan names what would run or be restored, in order, and runs nothing."""
    cells, asked, expected = PLAN[name]
    run(kernel, [*cells, "before = dict(globals())"])

    report = kernel(f"%nborch plan {asked}")

    told = {n: rest.split("  ")[0] for n, rest in rows(report).items()}
    assert told == expected, report
    assert list(told) == list(expected)
    look = "[k for k in before if k[0] != '_' and globals().get(k) is not before[k]]"
    assert kernel(look).result == "[]"


#: name: (the cells, what is asked, the summary, what looks, what it sees)
RUN = {
    "all": (["n = 1", LOAD, CLEAN, SUM, "n = 2"], "", "3 ran (load, clean, sum)", "total", "5"),
    "nothing": (["n = 1", LOAD], "", "1 up to date (load)", "rows", "[1, 2]"),
    "no task at all": ([], "", "nothing to do: all is up to date", "1", "1"),
    "what is kept is restored": (["n = 1", LOAD, CLEAN, "n = 2", LOAD, CLEAN, "n = 1"], "", "2 restored (load, clean)", "kept", "[1, 2]"),
    "an early end": (["n = 1", task("sign", "s = n > 0"), task("end", "e = [s]"), "n = 2"], "", "1 ran (sign) · 1 up to date (end)", "e", "[True]"),
    "one of two": (["n = m = 1", LOAD, task("other", "o = m"), "n = m = 2"], "other", "1 ran (other)", "rows, o", "([1, 2], 2)"),
    "versions in their order": (["n = m = 1", LOAD, task("use", "u = [rows, m]"), task("grow", "rows = rows + [9]"), "m = 2"], "", "1 ran (use) · 2 restored (load, grow)", "u, rows", "([[1, 2], 2], [1, 2, 9])"),
    "cells that await": (["import asyncio\nn = 1", task("wait", "w = await asyncio.sleep(0, n)"), task("end", "e = w"), "n = 2"], "", "2 ran (wait, end)", "e", "2"),
    "a damaged one by name": (["n = 1", LOAD, "rows.append(5)"], "load", "1 restored (load)", "rows", "[1, 2]"),
}  # fmt: skip


@pytest.mark.parametrize("name", RUN)
def test_run(kernel, name):
    """Tasks are brought up to date in the order in which they depend on each other."""
    cells, asked, summary, look, seen = RUN[name]
    run(kernel, cells)

    ran = kernel(f"%nborch run {asked}")

    assert ran.ok, ran
    assert ran.result.strip() == summary, ran
    assert kernel(look).result == seen
    assert asked or set(statuses(kernel).values()) <= {"fresh"}


def test_run_shows_what_cells_show(kernel):
    """Each task shows its outputs and its badge below a heading with its name."""
    run(kernel, ["n = 1", task("load", "print('loading', n)\nn + 1\ny = n"), "n = 2"])

    ran = kernel("%nborch run")

    assert ran.stdout == "loading 2\n"
    assert "▶ load" in ran.text("display_data")
    assert ran.badge.startswith("ran · ")
    assert ran.badge.endswith("input `n` changed")


def test_run_after_a_failure(kernel):
    """A task that fails stops its readers, not the others, and ends the cell."""
    cells = ["n = m = 1", LOAD, CLEAN, task("other", "o = m"), "n = 'a'; m = 2"]
    run(kernel, cells)

    ran = kernel("%nborch run")

    assert not ran.ok
    assert "1 ran (other) · 1 failed (load) · 1 skipped (clean)" in ran.stdout
    assert "can only concatenate str" in ran.error
    assert "FailedRun: 1 of the cell tasks failed: load." in ran.error
    assert statuses(kernel) == {"load": "failed", "clean": "stale", "other": "fresh"}


# Why.

#: name: (the cells, the badge of the last one)
REASONS = {
    "an input": (["n = 1", LOAD, "n = 2", LOAD], "input `n` changed"),
    "its code": (["n = 1", LOAD, task("load", "rows = [n]")], "its code changed"),
    "two inputs": (["a = b = 1", task("s", "c = a + b"), "a = b = 2", task("s", "c = a + b")], "input `a` changed and 1 more"),
    "a helper": (["def g(v): return v\ndef f(v): return g(v)", task("s", "c = f(1)"), "def g(v): return -v", task("s", "c = f(1)")], "input `f` changed, by `g`"),
    "a file": (["w = open('f.txt', 'w').write('1')", task("s", "c = open('f.txt').read()"), "w = open('f.txt', 'w').write('22')", task("s", "c = open('f.txt').read()")], "file `f.txt` changed"),
    "an input that is gone": (["n = 1", task("s", "try: c = n\nexcept NameError: c = 0"), "del n", task("s", "try: c = n\nexcept NameError: c = 0")], "input `n` is gone"),
    "a variable": (["import os\nos.environ['REGION'] = 'eu'", task("s", "c = os.environ['REGION']"), "os.environ['REGION'] = 'us'", task("s", "c = os.environ['REGION']")], "variable `REGION` changed"),
    "a failure": ([task("s", "c = 1 / 0"), task("s", "c = 1 / 1")], "failed before"),
}  # fmt: skip


@pytest.mark.parametrize("name", REASONS)
def test_badge_says_why(kernel, name):
    """The badge of a task that ran again says in few words why."""
    cells, expected = REASONS[name]
    *before, last = cells
    run(kernel, before)

    ran = kernel(last)

    assert ran.outcome == "ran", ran
    assert ran.badge.split(" · ", 2)[2] == expected


def test_why(kernel):
    """The ingredient that changed is named with its digests and the cell to blame."""
    run(kernel, ["n = 1", LOAD, "n = 2", LOAD])

    told = kernel("%nborch why load").result

    assert "load: fresh" in told
    assert "≠ input `n` changed" in told
    assert " → " in told
    assert "bound by the cell `n = 2`" in told


def test_why_code(kernel):
    """Changed code is shown as a diff without layout and comments."""
    run(kernel, ["n = 1", LOAD, task("load", "# more\nrows = [n,\n    n + 2]")])

    told = kernel("%nborch why load").result

    assert "-rows = [n, n + 1]" in told
    assert "+rows = [n, n + 2]" in told
    assert "more" not in told


def test_why_now(kernel):
    """Of a stale task it is said what would make it run."""
    run(kernel, ["n = 1", LOAD, "n = 2"])

    told = kernel("%nborch why load").result

    assert "load: stale" in told
    assert "It would run again: input `n` changed." in told


def test_who_is_to_blame(kernel):
    """A reader whose maker has run again is told which one that was."""
    run(kernel, ["n = 1", LOAD, CLEAN, "n = 2", LOAD])

    told = rows(kernel("%nborch status"))

    assert told["clean"].endswith("input `rows` changed, by `load`")


def test_why_made_by_a_task(kernel):
    """An input that another task has made anew names that task."""
    run(kernel, ["n = 1", LOAD, CLEAN, "n = 2", LOAD, CLEAN])

    assert "made by task `load`" in kernel("%nborch why clean").result


def test_why_after_a_restart(kernel, other):
    """Runs of another kernel are compared with: the badge and the reason name them."""
    run(kernel, ["n = 1", LOAD])

    other("n = 2")
    ran = other(LOAD)

    assert ran.badge.endswith("input `n` changed")
    assert "input `n` changed" in other("%nborch why load").result


def test_why_before_it_ran(kernel, other):
    """A task that has not run in this kernel is told of from earlier ones."""
    run(kernel, ["n = 1", LOAD, task("load", "rows = [n]")])

    told = other("%nborch why load").result

    assert "not run in this kernel yet" in told
    assert "+rows = [n]" in told


def test_why_after_a_notebook_flow(kernel, tmp_path):
    """What ``nborch run`` made of a notebook is compared with, too."""
    cells = ["%load_ext nborch", "n = 1", LOAD]
    nb = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    nbformat.write(nb, tmp_path / "report.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "nborch", "run", "report.ipynb"],
        cwd=tmp_path,
        env={
            **os.environ,
            "NBORCH_HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    kernel("n = 2")
    ran = kernel(LOAD)

    assert ran.badge.endswith("input `n` changed"), ran


# A-B-A of what is found out while a cell runs.


def test_file_changed_back(kernel):
    """A file that is changed back finds what was computed from it."""
    cell = task("read", "text = open('data.txt').read()")
    outcomes = []
    for content in ("one", "three", "one", "three", "four", "one"):
        kernel(f"w = open('data.txt', 'w').write({content!r})")
        outcomes.append(kernel(cell).outcome)
        assert kernel("text").result == repr(content)

    assert outcomes == ["ran", "ran", "cached", "cached", "ran", "cached"]


def test_refreshed_among_candidates(kernel):
    """A refresh replaces the result for the present file, whichever it is."""
    cell = "import time\ntext = open('data.txt').read(), time.time_ns()"
    write = "w = open('data.txt', 'w').write({!r})"
    for content in ("one", "three"):
        kernel(write.format(content))
        kernel(f"%%task read\n{cell}")
    kernel(f"%%task read --refresh\n{cell}")
    kernel("fresh = text")

    kernel(write.format("one"))
    kernel(f"%%task read --refresh\n{cell}")
    kernel(write.format("three"))
    again = kernel(f"%%task read\n{cell}")

    assert again.outcome == "cached"
    assert kernel("text == fresh").result == "True"


# Readers of what is stale.

#: name: (the cells, whether the last one is told that it ran on something older)
OLDER = {
    "a name that is stale": (["n = 1", LOAD, "n = 2", "print(rows)"], True),
    "a name of a name": (["n = 1", LOAD, CLEAN, "n = 2", "kept"], True),
    "a name that is fresh": (["n = 1000", LOAD, "n = 1000", "print(rows)"], False),
    "another name": (["n = 1", LOAD, "n = 2", "print(n)"], False),
    "a name in a text": (["n = 1", LOAD, "n = 2", "print('rows')"], False),
    "one that it binds": (["n = 1", LOAD, "n = 2", "rows = 3"], False),
    "a task": (["n = 1", LOAD, "n = 2", CLEAN], True),
    "after it was brought up to date": (["n = 1", LOAD, "n = 2", LOAD, "print(rows)"], False),
}  # fmt: skip


@pytest.mark.parametrize("name", OLDER)
def test_reader_of_what_is_stale(kernel, name):
    """A cell that reads a stale name is told so, quietly and only if that is certain."""
    cells, is_told = OLDER[name]
    *before, last = cells
    run(kernel, before)

    ran = kernel(last)

    shown = ran.text("display_data", "badge")
    assert ("on older `" in shown) == is_told, ran


# At the same time.

MEETS = """
import time
from pathlib import Path
if n == 1:
    time.sleep(0.55)
else:
    Path('{mine}').touch()
    until = time.monotonic() + 20
    while not Path('{theirs}').exists():
        assert time.monotonic() < until
        time.sleep(0.01)
{mine} = [n]
"""


def interactively(kernel, source):
    """Run a cell as a front end does that somebody sits before."""
    sent = kernel.client.execute(source, allow_stdin=True)
    return kernel.wait(sent)


def test_run_at_the_same_time(kernel):
    """Long tasks that do not depend on each other run at the same time."""
    a = task("one", MEETS.format(mine="a", theirs="b"))
    b = task("two", MEETS.format(mine="b", theirs="a"))
    run(kernel, ["n = 1", a, b, task("both", "c = a + b"), "n = 2"])

    ran = interactively(kernel, "%nborch run")

    assert ran.result == "3 ran (one, two, both)", ran
    assert "▶ one, two" in ran.text("display_data")
    assert kernel("a, b, c").result == "([2], [2], [2, 2])"
    assert "stale" not in statuses(kernel).values()


def test_run_at_the_same_time_and_fail(kernel):
    """A task that fails in the background stops its readers, not the others."""
    body = "import time\ntime.sleep(0.55 if n == 1 else 0)\n"
    a = task("one", f"{body}a = 1 / (2 - n)")
    b = task("two", f"{body}b = n")
    run(kernel, ["n = 1", a, b, task("both", "c = a + b"), "n = 2"])

    ran = interactively(kernel, "%nborch run")

    assert "1 ran (two) · 1 failed (one) · 1 skipped (both)" in ran.stdout, ran
    assert "ZeroDivisionError" in ran.error
    assert kernel("a, b, c").result == "(1.0, 2, 2.0)"


def test_submitted_tasks_are_waited_for(kernel):
    """A task whose header says --submit is over when the command is."""
    a = task("one --submit", "import time\ntime.sleep(0.3)\na = n")
    kernel("n = 1")
    interactively(kernel, a)
    kernel("a")
    kernel("n = 2")

    ran = interactively(kernel, "%nborch run")

    assert ran.result == "1 ran (one)", ran
    assert kernel("a").result == "2"
    assert statuses(kernel) == {"one": "fresh"}


def test_the_run_of_a_session_tells_which_cell_came_of_which(kernel, tmp_path):
    """Its graph has lines between cells, also for those that were restored."""
    run(kernel, ["n = 1", LOAD, CLEAN, SUM, "n = 2", LOAD, CLEAN, CLEAN])

    home = open_home(load_settings(environ={"NBORCH_HOME": str(tmp_path / "home")}))
    records = home.store.records(kinds=(RunKind.TASK,))[::-1]
    names = {each.run.id: f"{each.run.of} {n}" for n, each in enumerate(records)}
    told = {
        names[each.run.id]: [names[n] for n in each.run.details.get("upstream", ())]
        for each in records
    }
    view = RunView.from_store(home.store, records[0].run.parent_id)
    home.close()

    assert told == {
        "load 0": [],
        "clean 1": ["load 0"],
        "sum 2": ["clean 1"],
        "load 3": [],
        "clean 4": ["load 3"],
        "clean 5": ["load 3"],
    }
    nodes = view.snapshot()["nodes"]
    shown = {names[e["id"]]: [names[n] for n in e.get("upstream", ())] for e in nodes}
    assert shown == told
