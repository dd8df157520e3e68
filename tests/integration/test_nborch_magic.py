"""The line magic ``%nborch`` in real kernels: its commands and what they answer."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX"),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def kernel(kernel_processes, tmp_path):
    """A kernel without names, in a folder of its own."""
    kernel_processes[0].start_over(tmp_path / "home", tmp_path)
    return kernel_processes[0]


def task(name, body):
    return f"%%task {name}\n{textwrap.dedent(body).strip()}"


def run(kernel, cells):
    for cell in cells:
        assert kernel(cell).ok, cell


LOAD = task("load", "rows = [n, n + 1]")
CLEAN = task("clean", "kept = [r for r in rows if r]")


def completions(kernel, line):
    """Return what the kernel offers at the end of a line."""

    async def ask():
        sent = kernel.client.complete(line, len(line))
        while True:
            reply = await kernel.client.get_shell_msg(timeout=20)
            if reply["parent_header"]["msg_id"] == sent:
                return reply["content"]["matches"]

    return kernel.loop.run_until_complete(ask())


def test_bare(kernel):
    """Without a command it explains itself, with examples."""
    told = kernel("%nborch").stdout

    assert "status" in told
    assert "%nborch why clean" in told


@pytest.mark.parametrize("line", ["%nborch status?", "%nborch help status"])
def test_help_on_a_command(kernel, line):
    """A question mark behind a command asks what it does."""
    assert kernel(line).stdout.startswith("%nborch status: where each cell task stands")


#: line: what the one line says that is shown of the error
WRONG = {
    "statsu": "has no command 'statsu'. Did you mean 'status'? Its commands are: status",
    "status load": "takes nothing, not 'load'. Write: %nborch status",
    "why": "%nborch why needs more. Write: %nborch why NAME",
    "why lod": "No cell task 'lod' has run in this kernel. Did you mean 'load'?",
    "plan lod": "No cell task 'lod' has run in this kernel. Did you mean 'load'?",
    "run lod": "No cell task 'lod' has run in this kernel. Did you mean 'load'?",
    "clear lod": "Did you mean 'load'?",
    "cancel load": "No cell task 'load' runs in the background.",
    "export flow.txt": "A module's file ends in .py, not '.txt'.",
    "why 'load": "cannot be read: No closing quotation.",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_lines(kernel, line):
    """What cannot be done is said in one line that says what to write."""
    run(kernel, ["n = 1", LOAD])

    ran = kernel(f"%nborch {line}")

    assert not ran.ok
    assert WRONG[line] in ran.error
    assert "\n" not in ran.error


def test_completion(kernel):
    """Commands and the names of tasks are offered, the latest task first."""
    run(kernel, ["n = 1", LOAD, CLEAN])

    assert completions(kernel, "%nborch st") == ["status"]
    assert completions(kernel, "%nborch why ") == ["clean", "load"]
    assert completions(kernel, "%nborch plan load c") == ["clean"]
    assert completions(kernel, "%nborch export f.py --f") == ["--force"]


def test_nothing_yet(kernel):
    """Before any cell task ran, the commands say so."""
    told = kernel("%nborch status").result

    assert told == "No cell task has run in this kernel yet."
    assert kernel("%nborch plan").result == "Nothing would run."


def test_reports_as_html(kernel):
    """A report is a table in a notebook, in which names and values are escaped."""
    run(kernel, ["n = '<b>'", task("load", "rows = n"), "n = 1"])
    kernel("status = get_ipython().run_line_magic('nborch', 'status')")

    html = kernel("print(status._repr_mimebundle_()['text/html'])").stdout

    assert "<table" in html
    assert "input `n` changed" in html
    assert "<b>" not in html


def test_graph(kernel):
    """The picture has tasks, the names between them and where each task stands."""
    run(kernel, ["n = 1", LOAD, CLEAN, "n = 2"])

    ran = kernel("%nborch graph")

    text = ran.result
    assert "◷ load · stale" in text
    assert "x_of_" not in text
    assert "name_load --> rows_of_name_load" in text
    assert "rows_of_name_load --> name_clean" in text
    assert "n_of_ --> name_load" in text


def test_graph_of_two_writers(kernel):
    """A name that two tasks write is drawn for each, and that is remarked."""
    cells = [
        task("a", "x = 1"),
        task("b", "y = x"),
        task("c", "x = 5"),
        task("d", "z = x"),
    ]
    run(kernel, cells)

    text = kernel("%nborch graph").result

    assert "x_of_name_a --> name_b" in text
    assert "x_of_name_c --> name_d" in text
    assert "`x` is written by 2 tasks: a, c." in text


def test_runs_and_logs(kernel):
    """The runs of this kernel are listed, and the lines of one task's last run."""
    run(kernel, ["n = 1", LOAD, CLEAN, CLEAN])

    runs = kernel("%nborch runs").result.splitlines()
    logs = kernel("%nborch logs clean").result

    assert [line.split()[2] for line in runs if line] == [
        "Cached",
        "Completed",
        "Completed",
    ]
    assert "clean-" in runs[0] or "clean-" in runs[1]
    assert "Cached" in logs


def test_clear(kernel):
    """A task whose results were forgotten runs again, others do not."""
    run(kernel, ["n = 1", LOAD, CLEAN])

    told = kernel("%nborch clear load").result

    assert told == "1 kept result was forgotten of 'load'."
    assert kernel(LOAD).outcome == "ran"
    assert kernel(CLEAN).outcome == "cached"


#: name: (the cells, the task, what the report says)
CHECKED = {
    "the same again": (["n = 1", LOAD], "load", ["load: deterministic", "✓ rows  same"]),
    "another value": ([task("now", "import time\nt = time.time_ns()\nk = 1")], "now", ["now: not deterministic", "✓ k  same", "✕ t  another value", "another `t`"]),
    "random numbers": ([task("dice", "import random\nd = random.random()")], "dice", ["dice: not deterministic", "✕ d  another value"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKED)
def test_check(kernel, name):
    """A task is run again, unseen, and what it makes is compared."""
    cells, checked, expected = CHECKED[name]
    run(kernel, [*cells, "import random\nstate = random.getstate()"])
    kernel("before = {k: v for k, v in globals().items() if k[0] != '_'}")

    ran = kernel(f"%nborch check {checked}")

    assert all(line in ran.result for line in expected), ran
    assert ran.stdout == ""
    look = "all(globals()[k] is before[k] for k in before), random.getstate() == state"
    assert kernel(look).result == "(True, True)"


#: name: (the cells, the task, the error)
UNCHECKED = {
    "it changes its input": (["rows = [1]", task("grow", "rows.append(2)")], "grow", "it changes `rows`, which it also reads"),
    "its input changed": (["n = 1", LOAD, "n = 2"], "load", "what it reads has changed since it ran"),
    "it makes nothing": ([task("say", "print(1)")], "say", "it makes nothing that can be compared"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNCHECKED)
def test_what_cannot_be_checked(kernel, name):
    """What cannot be compared is refused with the reason."""
    cells, checked, expected = UNCHECKED[name]
    run(kernel, cells)

    assert expected in kernel(f"%nborch check {checked}").error


# Export.

NOTEBOOK = [
    "import math\nimport statistics as st\nrate = 2\nlabel = 'a'",
    "SCALE = 10\ndef scaled(v):\n    return v * SCALE",
    task("load --retries 1", "import os\n# the raw values\nvalues = [scaled(v) for v in range(rate)]\nsource = os.sep"),
    task("my-stats", '''mean, root = st.mean(values), math.sqrt(4)\ntext = """two\nlines"""'''),
    task("grow", "values.append(mean)"),
    task("report", "answer = f'{label}{source}{mean}{root}{len(values)}{text}'\nanswer"),
]  # fmt: skip


def test_export(kernel, tmp_path):
    """The tasks become a module whose flow computes what the notebook has computed."""
    run(kernel, NOTEBOOK)
    seen = kernel("print(repr(answer))").stdout.strip()

    told = kernel("%nborch export flows.py")

    assert told.result == "flows.py: 4 tasks in the flow flows()", told
    text = (tmp_path / "flows.py").read_text()
    assert "    # the raw values\n" in text
    assert "@task(retries=1)\ndef load(rate):" in text
    assert "@task(name='my-stats')\ndef my_stats(values):" in text
    assert "@flow\ndef flows(rate=2, label='a'):" in text
    code = "import flows; print(repr(flows.flows()['answer']), flows.flows(1, 'b')['answer'][:7])"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "NBORCH_HOME": str(tmp_path / "other"), "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        check=False,
    )  # fmt: skip
    assert ran.stdout.strip() == f"{seen} b/02.02", ran.stderr


def test_export_of_cells_that_await(kernel, tmp_path):
    """Cells that await become async functions of an async flow."""
    cells = [task("wait", "w = await asyncio.sleep(0, 7)"), task("end", "e = w + 1")]
    run(kernel, ["import asyncio", *cells])

    assert kernel("%nborch export flows.py").ok

    text = (tmp_path / "flows.py").read_text()
    assert "w = await wait()" in text
    assert "asyncio.run(flows())" in text


def test_export_keeps_files(kernel, tmp_path):
    """A file that is there is replaced only with --force."""
    run(kernel, ["n = 1", LOAD])
    (tmp_path / "mine.py").write_text("precious = 1\n")

    refused = kernel("%nborch export mine.py")

    assert "is there already" in refused.error
    assert (tmp_path / "mine.py").read_text() == "precious = 1\n"
    assert kernel("%nborch export mine.py --force").ok
    assert "def load(n):" in (tmp_path / "mine.py").read_text()


def test_export_of_a_name_without_a_default(kernel):
    """What a plain cell computes is a parameter that has to be given."""
    run(kernel, ["n = object", task("load", "k = repr(n)")])

    told = kernel("%nborch export flows.py").result

    assert "It has to be given: n" in told


#: name: (the cells, what the error names)
UNSAID = {
    "nothing": ([], "There is no cell task to export"),
    "magics": ([task("shell", "%time x = 1")], "Task 'shell' cannot be exported"),
    "exec": ([task("run", "exec('x = 1')")], "line 2 calls exec()"),
    "a name between tasks": (["n = 1", LOAD, "more = rows + [1]", task("end", "e = more")], "a plain cell makes 'more' out of 'rows' of task 'load'"),
    "a change between tasks": (["n = 1", LOAD, "rows.append(1)", CLEAN], "a plain cell changes 'rows' after 'load' has made it"),
    "a function of a task's name": (["n = 1", LOAD, "def f():\n    return rows", task("end", "e = f()")], "the function 'f' reads 'rows', which a task makes"),
    "star imports": ([task("all", "from math import *\nx = pi")], "it imports * from math"),
    "globals": ([task("count", "c = 0\ndef f():\n    global c\n    c += 1\nf()")], "it declares a name as global"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSAID)
def test_what_cannot_be_exported(kernel, tmp_path, name):
    """What no function can say is named, and no file is written."""
    cells, expected = UNSAID[name]
    for cell in cells:
        kernel(cell)

    ran = kernel("%nborch export flows.py")

    assert expected in (ran.error or ""), ran
    assert not (tmp_path / "flows.py").exists()
