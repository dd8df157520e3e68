"""Cells in the background, ``%%task --submit``, in real kernels."""

import os
import re
import signal
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="processes and signals of POSIX"),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

#: Waits in a cell's body until a file is there, or fails after a while.
AWAIT = """
import os as _os, time as _time
_until = _time.monotonic() + 30
while not _os.path.exists({0!r}):
    assert _time.monotonic() < _until, "nobody made " + {0!r}
    _time.sleep(0.01)
"""


def submitted(body, header="%%task job --submit"):
    return f"{header}\n{textwrap.dedent(body).strip()}"


def awaiting(file, body=""):
    """Return a body that begins when a file is there."""
    return f"{AWAIT.format(str(file)).strip()}\n{textwrap.dedent(body).strip()}"


class Cell:
    """What one cell has shown up to now, also after it was over."""

    def __init__(self):
        self.shown = []
        self.displays = {}
        self.is_over = False
        self.ok = None
        self.badges = []

    def text(self, kind):
        return "".join(text for known, text in self.shown if known == kind)

    @property
    def kinds(self):
        return [kind for kind, _ in self.shown]

    @property
    def badge(self):
        return self.badges[-1] if self.badges else None

    @property
    def outcome(self):
        return self.badge and self.badge.partition(" ")[0]

    def note(self, kind, content):
        from nborch.view.badge import MIME

        if kind == "status":
            self.is_over |= content["execution_state"] == "idle"
        elif kind == "error":
            plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(content["traceback"]))
            self.shown.append(("error", plain))
        elif kind == "stream":
            text = content["text"]
            if self.kinds[-1:] == [content["name"]]:
                text = self.shown.pop()[1] + text
            self.shown.append((content["name"], text))
        elif kind == "clear_output":
            self.shown.clear()
        elif "data" in content:
            if MIME in content["data"]:
                self.badges.append(content["data"]["text/plain"])
            elif "image/png" in content["data"]:
                self.shown.append(("image", ""))
            else:
                text = content["data"].get("text/plain", "")
                self.shown.append((kind, text))


class Page:
    """A front end where somebody sits: it sends input, and sees what comes late."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.cells = {}

    def send(self, source):
        """Send a cell; return what it shows, while it shows it."""
        sent = self.kernel.client.execute(source, allow_stdin=True)
        self.cells[sent] = Cell()
        self.cells[sent].id = sent
        return self.cells[sent]

    def __call__(self, source):
        """Run a cell and wait until it has returned."""
        cell = self.send(source)
        self.until(lambda: cell.is_over)
        cell.ok = "error" not in cell.kinds
        return cell

    def until(self, condition, seconds=30):
        """Take what is shown until the condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, [vars(c) for c in self.cells.values()]
            self.take(0.05)

    def end_of(self, *cells):
        """Wait until the cells in the background are over."""
        self.until(lambda: all(c.outcome in ENDS for c in cells))
        return cells[0]

    def take(self, seconds):
        self.kernel.loop.run_until_complete(self._take(seconds))

    async def _take(self, seconds):
        from queue import Empty

        try:
            message = await self.kernel.client.get_iopub_msg(timeout=seconds)
        except (Empty, TimeoutError):
            return
        cell = self.cells.get(message["parent_header"].get("msg_id"))
        if cell is not None:
            cell.note(message["msg_type"], message["content"])

    def interrupt(self):
        self.kernel.loop.run_until_complete(self.kernel.manager.interrupt_kernel())


ENDS = {"ran", "cached", "uncached", "failed", "crashed", "cancelled"}


@pytest.fixture
def page(kernel):
    """A page with a kernel without names."""
    return Page(kernel)


def value(page, expression):
    """Return what an expression shows."""
    cell = page(expression)
    assert cell.ok, cell.shown
    return cell.text("execute_result")


# What it shows.


def test_outputs_appear_under_the_submitted_cell_while_others_run(page, tmp_path):
    """A submitted cell returns at once, and what it shows comes under it, in order."""
    go = tmp_path / "go"
    body = """
        import sys
        from IPython.display import display
        print("begun")
        {}
        print("warned", file=sys.stderr)
        display({{"a": 1}})
        made = 6 * 7
        made
    """
    body = textwrap.dedent(body).format(AWAIT.format(str(go)).strip())
    job = page(submitted(body))
    assert job.badges == ["running · process"]
    page.until(lambda: "stdout" in job.kinds)

    later = page("print('later')")
    go.touch()
    page.end_of(job)

    assert job.shown == [
        ("stdout", "begun\n"),
        ("stderr", "warned\n"),
        ("display_data", "{'a': 1}"),
        ("execute_result", "42"),
    ]
    assert job.outcome == "ran"
    assert later.shown == [("stdout", "later\n")]
    assert value(page, "made, list(Out.values())[-1]") == "(42, 42)"


def test_a_thread_shows_under_its_own_cell(page, tmp_path):
    """What a cell in a thread shows comes under it, and in no other cell's recording."""
    go = tmp_path / "go"
    page("import sqlite3\ncon = sqlite3.connect(':memory:', check_same_thread=False)")
    body = awaiting(
        go,
        """
        from IPython.display import HTML, display
        print("from the thread")
        display(HTML("<b>rich</b>"))
        con.execute("select 40 + 2").fetchone()
        """,
    )
    job = page(submitted(body))
    task = page.send(
        "%%task fore\nimport time\nprint('fore')\ntime.sleep(0.3)\nend = 1"
    )
    go.touch()
    page.until(lambda: task.is_over)
    page.end_of(job)

    again = page("%%task fore\nimport time\nprint('fore')\ntime.sleep(0.3)\nend = 1")

    assert [text for _, text in job.shown] == [
        "from the thread\n",
        "<IPython.core.display.HTML object>",
        "(42,)",
    ]
    assert "thread · reads a database connection" in job.badges[0]
    assert again.outcome == "cached"
    assert again.shown == task.shown == [("stdout", "fore\n")]


def test_a_figure_of_the_process_is_shown(page):
    """Figures, updates of displays and cleared outputs travel to the cell."""
    job = page(
        submitted(
            """
            import matplotlib.pyplot as plt
            from IPython.display import clear_output, display
            print("gone")
            clear_output()
            plt.plot([1, 2]);
            plt.show()
            """
        )
    )

    page.end_of(job)

    assert job.shown == [("image", "")]


# What it leaves behind.

SETUP = """
import numpy as np
K = 3
def g(v): return v + K
class P:
    def __init__(self, v): self.v = v
    def m(self): return g(self.v)
p = P(2)
rows = [3, 1, 2]; same = rows; table = {'rows': rows}
big = np.arange(100_000.0)
log = []
def note(v): log.append(v)
count = 0
def bump():
    global count
    count += 1
"""

#: name: (the cell, what looks, what it sees)
LEFT = {
    "values": ("y = {'a': (K, [1.5])}", "y", "{'a': (3, [1.5])}"),
    "an instance of an earlier class": ("q = P(p.m())", "type(q) is P, q.m()", "(True, 8)"),
    "an instance of its own class": ("class Q(P): pass\nr = [Q(1), p]", "type(r[0]) is Q, r[0].m(), isinstance(r[0], P)", "(True, 4, True)"),
    "functions see later globals": ("def f(v): return v + K\ndef h(v): return f(v)", "K = 10\nh(1), g(1)", "(11, 11)"),
    "a lambda sees later globals": ("f = lambda v: v + K", "K = 20\nf(1)", "21"),
    "a closure": ("def make(k):\n    return lambda v: v + k + K\nf = make(1)", "f(1)", "5"),
    "a list changed in place": ("rows.sort()", "rows, same is rows, table['rows'] is rows", "([1, 2, 3], True, True)"),
    "an array changed in place": ("alias = big\nbig[:2] = 7", "big[:3].tolist(), alias is big", "([7.0, 7.0, 2.0], True)"),
    "an alias of an input": ("other = rows", "other is rows", "True"),
    "a view of an input": ("view = big[:3]", "view[:] = 9\nbig[:2].tolist()", "[9.0, 9.0]"),
    "a deleted name": ("del same", "'same' in globals()", "False"),
    "a global bound by a function": ("bump()", "count", "1"),
    "a list changed by a function": ("note(5)", "log", "[5]"),
    "an import": ("import json as j", "j.dumps([1])", "'[1]'"),
    "a large array": ("made = big * 2", "made[:3].tolist(), made.flags.writeable", "([0.0, 2.0, 4.0], True)"),
    "arrays that share memory": ("a = np.zeros(50_000)\nb = a[10:]", "b[0] = 5\na[10]", "np.float64(5.0)"),
    "an async body": ("import asyncio\nwaited = await asyncio.sleep(0.01, 'slept')", "waited", "'slept'"),
    "the source of a function": ("def f(v):\n    return v  # so", "__import__('inspect').getsource(f)", "'def f(v):\\n    return v  # so\\n'"),
    "a changed folder": ("import os\nos.chdir('/')", "os.getcwd()", "'/'"),
    "a variable of the environment": ("import os\nos.environ['NB_X'] = 'y'", "os.environ.pop('NB_X')", "'y'"),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_what_it_leaves_behind(page, mode, tmp_path):
    """A submitted cell leaves the names and objects that the plain cell leaves."""
    wrong = {}
    for name, (body, look, expected) in LEFT.items():
        page(SETUP + f"import os\nos.chdir({str(tmp_path)!r})")

        job = page(submitted(body, f"%%task job --submit={mode} --refresh"))

        page.end_of(job)
        cell = page(look)
        seen = cell.text("execute_result")
        if not cell.ok or seen != expected:
            wrong[name] = (seen, job.badges, job.shown, cell.shown)
    assert not wrong


#: name: (what runs before, the cell, where it runs, the reason)
PLACES = {
    "data": ("x = [1, 2]", "y = sum(x)", "process", ""),
    "a connection": ("import sqlite3\nx = sqlite3.connect(':memory:', check_same_thread=False)", "y = 1 if x else 0", "thread", "reads a database connection"),
    "a lock inside": ("import threading\nx = {'k': threading.Lock()}", "y = len(x)", "thread", "reads a lock"),
    "settings of a library": ("import warnings", "warnings.simplefilter('always')\ny = 1", "thread", "simplefilter"),
    "exec": ("", "exec('y = 1')", "thread", "calls exec()"),
    "magics": ("import threading\nx = threading.Lock()", "x\n%env NB_Y=2", "foreground", "magics"),
    "a function that binds": ("import threading\nx = threading.Lock()\ndef f():\n    global z\n    z = 1", "x\nf()\ny = 1", "foreground", "`f` binds the global name `z`"),
    "a function that looks up": ("import threading\nx = threading.Lock()\nk = 1\ndef f(): return k", "x\nk = 2\ny = f()", "foreground", "`f` looks up `k`"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "body", "place", "reason"), PLACES.values(), ids=PLACES
)
def test_where_it_runs(page, before, body, place, reason):
    """It runs in a process where its inputs travel, else in a thread, and says why."""
    page(before)

    job = page(submitted(body))

    if place == "foreground":
        told = job.text("display_data")
        assert told.startswith("runs in the foreground"), (job.shown, job.badges)
    else:
        told = job.badges[0]
        assert told.startswith(f"running · {place}"), (job.shown, job.badges)
        page.end_of(job)
        assert job.outcome in {"ran", "uncached"}, (job.shown, job.badges)
    assert reason in told


# When it runs.


def test_two_submitted_cells_run_at_the_same_time(page, tmp_path):
    """Two cells that need nothing of each other meet while both run."""
    one, other = tmp_path / "one", tmp_path / "other"
    make = "open({!r}, 'w').close()\n".format

    first = page(submitted(make(str(one)) + awaiting(other, "a = 1")))
    second = page(submitted(make(str(other)) + awaiting(one, "b = 2")))

    page.end_of(first, second)
    assert (first.outcome, second.outcome) == ("ran", "ran"), (
        first.shown,
        second.shown,
    )
    assert value(page, "a + b") == "3"


def test_a_chain_returns_at_once_and_runs_in_order(page, tmp_path):
    """Cells that read each other's names wait in the background, also by functions."""
    go = tmp_path / "go"
    page("def total(): return sum(rows)")
    page(submitted(awaiting(go, "rows = [1, 2]"), "%%task one --submit"))
    second = page(submitted("twice = [r * 2 for r in rows]", "%%task two --submit"))
    third = page(submitted("all_ = total(), sum(twice)", "%%task three --submit"))
    assert second.badges == ["waiting · for `rows` (task one)"]
    assert third.outcome == "waiting"
    assert value(page, "1 + 1") == "2"

    go.touch()

    assert value(page, "all_") == "(3, 6)"


#: What reads the pending name `rows`, which is [1, 2] in the end.
READERS = {
    "a plain cell": ("len(rows)", "2"),
    "a function of an earlier cell": ("total()", "3"),
    "a method of an instance": ("adder.add()", "3"),
    "a deferred function of the cell": ("f = lambda: rows\nf()", "[1, 2]"),
    "a cell under a magic": ("%%capture\nn = len(rows)", ""),
    "a cell that deletes it": ("del rows\n'rows' in globals()", "False"),
    "a cell that changes it": ("rows.append(3)\nrows", "[1, 2, 3]"),
}


@pytest.mark.parametrize(("reader", "seen"), READERS.values(), ids=READERS)
def test_a_cell_that_reads_a_pending_name_waits(page, tmp_path, reader, seen):
    """A cell begins when what it reads has been made."""
    go = tmp_path / "go"
    page(
        "def total(): return sum(rows)\n"
        "class Adder:\n    def add(self): return sum(rows)\nadder = Adder()"
    )
    page(submitted(awaiting(go, "rows = [1, 2]"), "%%task maker --submit"))

    cell = page.send(reader)
    page.until(lambda: "waiting for `" in cell.text("display_data"))
    assert "(task maker, " in cell.text("display_data")
    assert not cell.is_over
    go.touch()
    page.until(lambda: cell.is_over)

    assert cell.text("execute_result") == seen, cell.shown
    assert "waiting" not in cell.text("display_data")


def test_other_cells_do_not_wait(page, tmp_path):
    """A cell that reads nothing pending runs at once, and sees the names as they were."""
    go = tmp_path / "go"
    page("rows = 'old'; other = 1")
    job = page(submitted(awaiting(go, "rows = 'new'\nfresh = 1")))

    assert value(page, "other + 1") == "2"
    assert value(page, "globals()['rows'], 'fresh' in globals()") == "('old', False)"

    go.touch()
    page.end_of(job)
    assert value(page, "rows, fresh") == "('new', 1)"


def test_a_later_cell_that_binds_a_pending_name_wins(page, tmp_path):
    """What a later cell has bound stays, and the badge says so."""
    go = tmp_path / "go"
    page("x = 1")
    job = page(submitted(awaiting(go, "x = 'background'\ny = 2")))
    page("x = 1")
    go.touch()

    page.until(lambda: "bound by a later cell" in (job.badge or ""))

    assert job.badge.endswith("`x` bound by a later cell")
    assert value(page, "x, y") == "(1, 2)"


def test_the_later_of_two_submitted_cells_wins(page, tmp_path):
    """Of two cells that bind one name, the one below has the last word."""
    go = tmp_path / "go"
    page(submitted(awaiting(go, "x = 'first'"), "%%task a --submit"))
    page(submitted("x = 'second'", "%%task b --submit"))
    go.touch()

    assert value(page, "x") == "'second'"


# Results that outlive it.


def test_foreground_and_background_share_results(page, other):
    """What a submitted cell keeps is a hit for every other run of it, and vice versa."""
    body = "import time\nmade = time.time_ns()\nprint('shown')\nmade % 1"
    job = page(submitted(body))
    page.end_of(job)
    first = value(page, "made")

    again = page(submitted(body))
    fore = page(submitted(body, "%%task fore"))
    elsewhere = Page(other)
    theirs = elsewhere(submitted(body))

    for cell in (again, fore, theirs):
        assert cell.outcome == "cached", cell.badges
        assert cell.shown == [("stdout", "shown\n"), ("execute_result", "0")]
    assert value(page, "made") == value(elsewhere, "made") == first


def test_a_result_of_the_foreground_is_restored_at_once(page):
    """A submitted cell whose result is kept is restored before it returns."""
    page("%%task\nmade = 6 * 7\nprint('shown')")
    page("made = None")

    job = page(submitted("made = 6 * 7\nprint('shown')"))

    assert job.outcome == "cached"
    assert job.shown == [("stdout", "shown\n")]
    assert value(page, "made") == "42"


def test_an_input_changed_meanwhile_is_not_kept(page, tmp_path):
    """A thread whose input another cell changes in place is not kept, and says so."""
    go = tmp_path / "go"
    page("rows = [1]")
    body = awaiting(go, "total = sum(rows)")
    job = page(submitted(body, "%%task job --submit=thread"))
    page("rows.append(2)")
    go.touch()

    page.end_of(job)

    assert job.outcome == "uncached"
    assert "`rows` was changed in place while it ran" in job.badge


def test_it_is_recorded(page, tmp_path):
    """The run of a submitted cell belongs to the session's and says how it ran."""
    job = page(submitted("made = 1", "%%task first --submit --tags night"))
    thread = page(submitted("other = 1", "%%task second --submit=thread"))
    page.end_of(job, thread)

    seen = value(
        page,
        "from nborch.home import current_home as _home\n"
        "_home().recorder.flush()\n"
        "_runs = {r.run.id: r.run for r in _home().store.records()}\n"
        "[(r.of, r.details['submitted'], sorted(r.tags), _runs[r.parent_id].kind.value)"
        " for r in _runs.values() if 'submitted' in r.details]",
    )

    assert sorted(eval(seen)) == [
        ("first", "process", ["night"], "session"),
        ("second", "thread", [], "session"),
    ]


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_prints_are_logged(page, mode):
    """With --log-prints, what it prints is shown and stands in the log of its run."""
    header = f"%%task job --submit={mode} --log-prints"
    job = page(submitted("print('so far')\nmade = 1", header))
    page.end_of(job)

    seen = value(
        page,
        "from nborch.home import current_home as _home\n"
        "from nborch.notebook.background.board import jobs as _jobs\n"
        "_home().recorder.flush()\n"
        "[e.data['message'] for e in _home().store.logs(_jobs()[-1].run_id)]",
    )

    assert job.text("stdout") == "so far\n"
    assert seen.count("'so far'") == 1


# When it fails.


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_an_error_is_shown_in_both_places(page, tmp_path, mode):
    """The cell that raised shows its error; the one that waits names task and cause."""
    go = tmp_path / "go"
    body = awaiting(go, "good = 1\nraise ValueError('no rows')\n")
    body = body.replace("raise", "if good: raise") + "\nbad = 2"
    job = page(submitted(body, f"%%task clean --submit={mode}"))
    cell = page.send("bad")
    go.touch()
    page.until(lambda: cell.is_over)
    page.end_of(job)

    assert job.outcome == "failed"
    assert "ValueError" in job.badge
    assert "ValueError: no rows" in job.text("error")
    assert "if good: raise ValueError" in job.text("error")
    assert "nborch/" not in job.text("error")
    assert cell.text("error") == (
        "UpstreamTaskError: This cell needs 'bad' of the task 'clean', which failed in "
        "the background: ValueError: no rows. Run that cell again first."
    )
    assert value(page, "good") == "1"
    assert "UpstreamTaskError" in page("bad").text("error")
    assert "UpstreamTaskError" in page("%timeit -n1 -r1 bad").text("error")
    page("%config Completer.use_jedi = False\nbad = 3")
    assert value(page, "bad") == "3"


def test_a_killed_process(page):
    """A process that dies makes the run Crashed, and the message says how it died."""
    job = page(submitted("import os\nos.kill(os.getpid(), 9)\nx = 1"))

    page.end_of(job)

    assert job.outcome == "crashed"
    assert "was ended by SIGKILL" in job.text("error")
    assert "was ended by SIGKILL" in page("x").text("error")


@pytest.mark.parametrize("mode", ["process", "thread"])
@pytest.mark.parametrize("body", ["time.sleep(0.01)", "await asyncio.sleep(0.01)"])
def test_cancel(page, tmp_path, mode, body):
    """A cell in the background can be cancelled, and asked how far it is."""
    page("import asyncio, time\nfrom nborch.notebook.background.board import jobs")
    begun = tmp_path / "begun"
    body = f"open({str(begun)!r}, 'w').close()\nwhile True: {body}\nx = 1"
    job = page(submitted(body, f"%%task job --submit={mode}"))
    page.until(begun.exists)
    assert value(page, "jobs()[-1].state, jobs()[-1].wait(0)") == "('running', False)"

    assert value(page, "jobs()[-1].cancel()") == "True"

    assert value(page, "jobs()[-1].wait(10), jobs()[-1].state") == "(True, 'cancelled')"
    page.end_of(job)
    assert job.outcome == "cancelled"


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_retries_and_timeouts(page, tmp_path, mode):
    """Retries and timeouts mean the same as in the foreground."""
    file = tmp_path / "tried"
    flaky = f"""
        import os
        if not os.path.exists({str(file)!r}):
            open({str(file)!r}, "w").close()
            raise OSError("not yet")
        made = 1
    """
    job = page(submitted(flaky, f"%%task flaky --submit={mode} --retries 1"))
    slow = page(
        submitted(
            "import time\nfor _ in range(3000): time.sleep(0.01)",
            f"%%task slow --submit={mode} --timeout 0.3",
        )
    )

    page.end_of(job, slow)

    assert job.outcome in {"ran", "uncached"}, (job.badges, job.shown)
    assert value(page, "made") == "1"
    assert slow.outcome == "failed"
    assert "RunTimedOut" in slow.badge


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_no_input(page, mode):
    """Nobody can be asked from the background."""
    ask = "ask = input\nanswer = ask('?')"
    job = page(submitted(ask, f"%%task job --submit={mode}"))

    page.end_of(job)

    assert job.outcome == "failed"
    page.until(lambda: "cannot ask for input" in job.text("error"))


def test_what_stays_in_the_process(page):
    """What cannot come back is missed only by who reads it, and the badge says so."""
    job = page(submitted("import threading\nlock = threading.Lock()\nfine = 1"))
    page.end_of(job)

    assert value(page, "fine") == "1"
    assert "`lock` stays there" in job.badge
    assert "'lock' stays in the process of the task 'job'" in page("lock").text("error")


# Signals and ends.


def test_an_interrupt_ends_the_wait_only(page, tmp_path):
    """Ctrl-C in a cell that waits ends that cell; the task goes on."""
    go = tmp_path / "go"
    job = page(submitted(awaiting(go, "rows = [1, 2]")))
    cell = page.send("ran = True\nrows")
    page.until(lambda: "waiting" in cell.text("display_data"))

    page.interrupt()
    page.until(lambda: cell.is_over)

    assert cell.text("error").startswith("KeyboardInterrupt: Interrupted while waiting")
    assert value(page, "'ran' in globals()") == "False"
    assert job.outcome == "running"
    go.touch()
    assert value(page, "rows") == "[1, 2]"


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_an_interrupt_does_not_reach_the_background(page, tmp_path, mode):
    """Ctrl-C in another cell leaves what runs in the background alone."""
    go, begun = tmp_path / "go", tmp_path / "begun"
    body = f"open({str(begun)!r}, 'w').close()\n{awaiting(go, 'x = 1')}"
    job = page(submitted(body, f"%%task job --submit={mode}"))
    page.until(begun.exists)
    # In steps: a signal that comes just before a long sleep is heard after it.
    pause = "for _ in range(300): time.sleep(0.1)"
    cell = page.send(f"import time\nprint('here', flush=True)\n{pause}")
    page.until(lambda: "stdout" in cell.kinds)

    page.interrupt()
    page.until(lambda: cell.is_over)
    go.touch()

    assert value(page, "x") == "1"
    page.end_of(job)
    assert job.outcome == "ran"


@pytest.mark.parametrize("politely", [True, False])
def test_the_end_of_the_kernel_ends_its_processes(
    new_kernel, tmp_path, until, politely
):
    """No process outlives the kernel, however that ends."""
    kernel = new_kernel()
    kernel.start_over(tmp_path / "home", tmp_path)
    page, file = Page(kernel), tmp_path / "pid"
    page(
        submitted(
            f"import os, time\nopen({str(file)!r}, 'w').write(str(os.getpid()))\n"
            "time.sleep(60)"
        )
    )
    page.until(lambda: file.exists() and file.read_text())
    pid = int(file.read_text())

    if politely:
        kernel.client.shutdown()
    else:
        kernel.loop.run_until_complete(kernel.manager.signal_kernel(signal.SIGKILL))

    assert until(lambda: not _is_alive(pid))


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        # Gone since, or a system without such files.
        return not Path("/proc/self/stat").exists()
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_cells_that_end_one_after_the_other(page, tmp_path):
    """A cell that was running when an earlier one ended leaves that one's names."""
    first = page(submitted("early = 'kept'"))
    second = page(submitted(awaiting(tmp_path / "go", "late = 1")))
    page.end_of(first)
    page("'between'")
    (tmp_path / "go").touch()
    page.end_of(second)

    both = page("early, late")

    assert both.text("execute_result") == "('kept', 1)"


# Notebooks that are executed to their end.


def test_without_a_front_end_it_runs_in_the_foreground(tmp_path):
    """A notebook that is executed to its end has every cell's outputs and names."""
    import nbclient
    from nbformat import v4

    cells = ["%load_ext nborch", submitted("print('shown')\nmade = 6 * 7"), "made"]
    nb = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])

    nbclient.execute(nb, cwd=tmp_path, timeout=60, kernel_name="python3")

    first, second = (cell.outputs for cell in nb.cells[1:])
    assert first[0].text == "shown\n"
    assert first[-1].data["text/plain"].startswith("ran")
    assert second[0].data["text/plain"] == "42"
