"""Cell tasks of one notebook at the same time: as if one after the other, but sooner."""

import os
import socket
import textwrap
import time

import nbformat
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from nborch import notebook_flow
from nborch.home import open_home
from nborch.notebook.execution import NotebookRun
from nborch.settings import load_settings
from nborch.view.badge import MIME

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="processes and signals of POSIX"),
    pytest.mark.slow,
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Ran:
    """A notebook that has run: what its cells show, and how they ended."""

    def __init__(self, folder, cells, parallel, **limits):
        self.nb = new_notebook(
            metadata={"kernelspec": {"name": "python3", "display_name": "Python"}},
            cells=[_node(number, cell) for number, cell in enumerate(cells)],
        )
        folder.mkdir(parents=True, exist_ok=True)
        home = open_home(load_settings(folder))
        self.run = NotebookRun(home, "parallel.ipynb", on_change=lambda _: None)
        began = time.monotonic()
        self.state = self.run.execute(
            self.nb,
            "python3",
            str(folder),
            parallel=parallel,
            total_seconds=60,
            **limits,
        )
        self.seconds = time.monotonic() - began

    @property
    def states(self):
        return [cell.state.name for cell in self.run.cells]

    def shown(self, index):
        """What a cell shows, but for times, and for hints at what may be out of date."""
        looks = [_looks(output) for output in self.nb.cells[index].outputs]
        return [look for look in looks if "ran on older" not in str(look[-1])]

    def text(self, index):
        return "".join(
            output.get("text", "") or output.get("data", {}).get("text/plain", "")
            for output in self.nb.cells[index].outputs
            if MIME not in output.get("data", {})
        )

    def document(self):
        """All that a reader can compare: outputs, numbers and states, cell by cell."""
        return [
            (cell.execution_count, self.shown(index), state)
            for index, cell, state in zip(
                range(len(self.nb.cells)), self.nb.cells, self.states, strict=True
            )
        ]


def _node(number, cell):
    source, *tags = cell if isinstance(cell, tuple) else (cell,)
    source = textwrap.dedent(source).strip()
    return new_code_cell(source, id=f"c{number}", metadata={"tags": tags})


def _looks(output):
    if output.output_type == "stream":
        return output.name, output.text
    if output.output_type == "error":
        return "error", output.ename, output.evalue
    data = output.data
    if MIME in data:
        return "badge", data[MIME]["outcome"]
    if "image/png" in data:
        return "image", data["image/png"].strip()
    return output.output_type, data.get("text/plain")


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Run a notebook of these cells, at most so many at the same time."""
    monkeypatch.setenv("NBORCH_HOME", str(tmp_path / "home"))

    def run(*cells, parallel=2, **limits):
        return Ran(tmp_path / "work", cells, parallel, **limits)

    return run


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


LISTEN = """
server = socket.create_server(("127.0.0.1", {port}))
server.settimeout(30)
{name} = server.accept()[0].recv(9).decode()
server.close()
del server
"""
SPEAK = """
import time
until = time.monotonic() + 30
while True:
    try:
        with socket.create_connection(("127.0.0.1", {port})) as client:
            client.sendall(b"hello")
        break
    except OSError:
        assert time.monotonic() < until
        time.sleep(0.02)
{name} = "said"
del client, until
"""


def test_independent_tasks_run_at_the_same_time(ran):
    """Two tasks that only end together end, and later cells read what both made."""
    port = free_port()

    done = ran(
        "import socket",
        "%%task listen\n" + LISTEN.format(port=port, name="heard"),
        "%%task speak\n" + SPEAK.format(port=port, name="spoke"),
        "%%task both --needs heard\nprint(heard, spoke)\nheard + spoke",
        "heard",
    )

    assert done.states == ["Completed"] * 5
    assert done.shown(3) == [
        ("stdout", "hello said\n"),
        ("execute_result", "'hellosaid'"),
        ("badge", "ran"),
    ]
    assert done.text(4) == "'hello'"
    assert [cell.execution_count for cell in done.nb.cells] == [1, 2, 3, 4, 5]


def test_a_plain_cell_that_needs_nothing_of_them_does_not_wait(ran):
    """A plain cell runs while the tasks before it do."""
    port = free_port()

    done = ran(
        "import socket",
        "%%task listen\n" + LISTEN.format(port=port, name="heard"),
        SPEAK.format(port=port, name="spoke"),
        "print(heard)",
    )

    assert done.states == ["Completed"] * 4
    assert done.text(3) == "hello\n"


def test_no_more_than_asked_for(ran):
    """Of many tasks, two run at the same time, not three."""
    body = (
        "import time\nbegan = time.time()\ntime.sleep(0.2)\nprint(began, time.time())"
    )

    done = ran(*[f"%%task t{n}\n{body}\nx{n} = {n}" for n in range(5)], parallel=2)

    spans = [tuple(map(float, done.text(n).split())) for n in range(5)]
    at_once = [sum(b <= began < e for b, e in spans) for began, _ in spans]
    assert max(at_once) <= 2
    assert done.states == ["Completed"] * 5


def test_outputs_land_in_their_own_cells(ran):
    """Prints, values, pictures and updates of each task are in its own cell."""
    body = """
        %%task t{0}
        import sys, time
        from IPython.display import display
        handle = display("first {0}", display_id=True)
        for n in range(5):
            print("{0}", n)
            time.sleep(0.02)
        print("warned {0}", file=sys.stderr)
        handle.update("last {0}")
        display({{"image/png": "iVBORw0KGgo="}}, raw=True)
        del handle
        "value {0}"
    """

    done = ran(*[body.format(n) for n in range(3)], parallel=3)

    for n in range(3):
        assert done.shown(n)[0] == ("display_data", f"'last {n}'")
        assert ("stderr", f"warned {n}\n") in done.shown(n)
        assert ("image", "iVBORw0KGgo=") in done.shown(n)
        assert ("execute_result", f"'value {n}'") in done.shown(n)
        assert "".join(f"{n} {i}\n" for i in range(5)) in done.text(n)


def test_what_is_restored_is_the_same(ran):
    """A second run in parallel restores what the first one kept."""
    cells = [
        "%%task a\nx = [1]",
        "%%task b\ny = [x, 2]\nprint(y)\ny",
        "print(y[0] is x)",
    ]
    first = ran(*cells)

    again = ran(*cells)

    assert first.states == ["Completed"] * 3
    assert again.states == ["Cached", "Cached", "Completed"]
    assert again.text(1) == first.text(1)
    assert again.text(2) == first.text(2) == "True\n"


# How it fails.


def test_the_first_failing_cell_is_the_runs_failure(ran):
    """Earlier tasks go on to their end, later ones are ended, and nothing new begins."""
    done = ran(
        "import time",
        "%%task slow\ntime.sleep(0.5)\nx = 1",
        "%%task fails\ntime.sleep(0.2)\nraise ValueError('no rows')",
        "%%task long\ntime.sleep(50)\nz = 1",
        "print(z)",
        parallel=3,
    )

    assert done.states == ["Completed", "Completed", "Failed", "Cancelled", "NotRun"]
    assert done.run.failed.name == "fails"
    assert done.state.name == "Failed"
    assert "no rows" in done.state.message
    assert done.shown(2)[-1] == ("error", "ValueError", "no rows")
    assert done.shown(4) == []
    assert done.seconds < 30


def test_a_later_failure_does_not_hide_an_earlier_one(ran):
    """If two tasks fail, the run's failure is that of the first in the notebook."""
    done = ran(
        "import time",
        "%%task one\ntime.sleep(0.6)\nraise ValueError('one')",
        "%%task two\nraise ValueError('two')",
    )

    assert done.run.failed.name == "one"
    assert done.states[:2] == ["Completed", "Failed"]
    assert done.state.message.endswith("one")


def test_an_error_that_is_allowed_is_no_end(ran):
    """A task tagged raises-exception may raise, as in a run one by one."""
    done = ran(
        "%%task a\nx = 1", ("%%task b\n1 / 0", "raises-exception"), "%%task c\nx"
    )

    assert done.state.is_completed()
    assert done.states == ["Completed"] * 3
    assert done.shown(1)[-1][:2] == ("error", "ZeroDivisionError")


def test_a_process_that_is_killed(ran):
    """A task whose process dies has crashed, and so has the run."""
    done = ran(
        "%%task dies\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "%%task other\nx = 1",
        "x",
    )

    assert done.states[0] == "Crashed"
    assert "SIGKILL" in done.state.message
    assert done.state.name == "Crashed"


def test_the_kernel_dies(ran):
    """If the kernel dies, so have the tasks that were under way, and none is left."""
    done = ran(
        "import os, time",
        "%%task long\ntime.sleep(50)",
        "time.sleep(0.5)\nos._exit(3)",
    )

    assert done.states == ["Completed", "Crashed", "Crashed"]
    assert done.run.failed.name == "long"
    assert done.seconds < 30


def test_a_task_that_takes_too_long(ran):
    """The limit for cells counts from when a task begins, and ends that task alone."""
    done = ran(
        "import time",
        "%%task quick\nx = 1",
        "%%task long\ntime.sleep(50)\ny = 1",
        "print(y)",
        timeout_seconds=4.0,
    )

    assert done.states == ["Completed", "Completed", "TimedOut", "NotRun"]
    assert done.seconds < 30


# The law: as one after the other.

NAMES = ["a", "b", "c"]
FIRST = """
import random, time
def bump(rows):
    rows.append(len(rows))
    return len(rows)
def total():
    return n + len(a)
n, m = 1, 2
a = [1]; b = a; c = [2, [3]]
d = {"c": c}
"""
LAST = """
print(n, m, a, b, c, d)
print([[x is y for x in (a, b, c, d["c"])] for y in (a, b, c, d["c"])])
"""
STATEMENTS = st.one_of(
    st.builds("{} = [{}, n]".format, *[st.sampled_from(NAMES)] * 2),
    st.builds("{} = {}[:] + [m]".format, *[st.sampled_from(NAMES)] * 2),
    st.builds("{} = {}".format, *[st.sampled_from(NAMES)] * 2),
    st.builds("{} = [{}]".format, st.sampled_from(NAMES), st.integers(0, 9)),
    st.builds("bump({})".format, st.sampled_from([*NAMES, "d['c']"])),
    st.builds("{}.append(n)".format, st.sampled_from(NAMES)),
    st.builds("d['x'] = {}".format, st.sampled_from(NAMES)),
    st.builds("print({}, {})".format, st.sampled_from("nm"), st.sampled_from(NAMES)),
    st.builds("{} = {} + len({})".format, *map(st.sampled_from, ["nm", "nm", NAMES])),
    st.builds("{} = {}".format, st.sampled_from("nm"), st.integers(0, 9)),
    st.builds("if n > {}: m = n".format, st.integers(0, 9)),
    st.sampled_from(
        ["n = total()", "def total():\n    return m * 2 + len(c)", "n", "a", "pass"]
    ),
)
CELLS = st.builds(
    "{}{}".format,
    st.sampled_from(["%%task t\n"] * 3 + ["%%task t --no-cache\n", ""]),
    st.builds(
        "\n".join,
        st.lists(
            STATEMENTS | st.sampled_from(["time.sleep(0.05)"]), min_size=1, max_size=3
        ),
    ),
)


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    # To make a failing notebook smaller would take minutes.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(CELLS, min_size=10, max_size=14))
def test_the_same_as_one_after_the_other(tmp_path_factory, cells):
    """Documents, names and states are those of the run that takes no two at once."""
    every = [FIRST, *cells, LAST]
    with pytest.MonkeyPatch.context() as patch:
        runs = []
        for parallel in (1, 3):
            folder = tmp_path_factory.mktemp("law")
            patch.setenv("NBORCH_HOME", str(folder / "home"))
            runs.append(Ran(folder, every, parallel))

    one_by_one, abreast = (run.document() for run in runs)

    assert abreast == one_by_one


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        pytest.param(
            ["rows = [1]\ndef add(xs): xs.append(2)", "time.sleep(0.3)\nadd(rows)", "len(rows)"],
            "2",
            id="a call changes what a later task has read already",
        ),
        pytest.param(
            ["", "time.sleep(0.3)\nopen('t.txt', 'w').write('made')", "open('t.txt').read()"],
            "'made'",
            id="a file is made for a later task",
        ),
        pytest.param(
            ["import random\nrandom.seed(1)", "time.sleep(0.3)\nx = random.random()", "round(random.random(), 6)"],
            "0.847434",
            id="a seeded generator goes on where the earlier task left off",
        ),
        pytest.param(
            ["", "time.sleep(0.3)\nimport threading\nlock = threading.Lock()", "lock.locked()"],
            "False",
            id="a value that cannot leave its process",
        ),
    ],
)  # fmt: skip
def test_what_only_shows_afterwards(ran, cells, shown):
    """What a task does unseen counts for later tasks as if they had begun after it."""
    first, one, other = cells

    done = ran(f"import time\n{first}", f"%%task one\n{one}", f"%%task two\n{other}")

    assert done.states == ["Completed"] * 3
    assert done.text(2) == shown


def test_results_by_name(tmp_path, monkeypatch):
    """What tasks make, and give, is there by name as after a run one by one."""
    monkeypatch.setenv("NBORCH_HOME", str(tmp_path / "home"))
    cells = [
        "import nborch",
        "%%task a\nx = [1, 2]",
        "%%task b\ny = {'n': 3}\nnborch.result(y, name='given')",
        "%%task c\nz = x + [y['n']]",
    ]
    path = tmp_path / "named.ipynb"
    nodes = [_node(number, cell) for number, cell in enumerate(cells)]
    nbformat.write(new_notebook(cells=nodes), path)

    result = notebook_flow(path, parallel=2)()

    assert [result[name] for name in ("x", "y", "z")] == [[1, 2], {"n": 3}, [1, 2, 3]]
    assert result["given"] == {"n": 3}
