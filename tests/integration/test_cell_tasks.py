"""Cells under ``%%task`` in real kernels: when they run, and what they leave behind."""

import os
import shutil
import textwrap
import threading
import time

import pytest

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX"),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def task(body, header="%%task"):
    return f"{header}\n{textwrap.dedent(body).strip()}"


# When a cell runs.

MISS, HIT = "ran", "cached"

#: name: (what runs before, the cell, what runs between, the cell again, its outcome)
AGAIN = {
    "nothing": ("x = 2", "y = x * 3", "", "y = x * 3", HIT),
    "a variable": ("import os\nos.environ['REGION'] = 'eu'", "y = os.environ['REGION']", "os.environ['REGION'] = 'us'", "y = os.environ['REGION']", MISS),
    "another variable": ("import os\nos.environ['REGION'] = 'eu'", "y = os.getenv('REGION')", "os.environ['OTHER'] = 'us'", "y = os.getenv('REGION')", HIT),
    "a comment": ("x = 2", "y = x * 3", "", "# why\ny = x * 3  # so", HIT),
    "layout": ("x = 2", "y = x * 3", "", "\n\ny = (x\n     * 3)", HIT),
    "its code": ("x = 2", "y = x * 3", "", "y = x * 4", MISS),
    "a literal's type": ("", "y = [1]", "", "y = [True]", MISS),
    "a docstring": ("", "def f():\n    'a'\ny = 1", "", "def f():\n    'b'\ny = 1", MISS),
    "an input": ("x = 2", "y = x * 3", "x = 5", "y = x * 3", MISS),
    "an input's type": ("x = 1", "y = [x]", "x = 1.0", "y = [x]", MISS),
    "an input, equal anew": ("x = [1, 2]", "y = sum(x)", "x = [1] + [2]", "y = sum(x)", HIT),
    "an input, inside": ("x = {'a': [1]}", "y = str(x)", "x['a'].append(2)", "y = str(x)", MISS),
    "a dict's order": ("x = {1: 2, 3: 4}", "y = list(x)", "x = {3: 4, 1: 2}", "y = list(x)", MISS),
    "another name": ("x = 2; z = 1", "y = x * 3", "z = 5", "y = x * 3", HIT),
    "an input that is gone": ("x = 2", "try:\n    y = x\nexcept NameError:\n    y = 0", "del x", "try:\n    y = x\nexcept NameError:\n    y = 0", MISS),
    "a shadowed builtin": ("", "y = len('abc')", "len = lambda text: 0", "y = len('abc')", MISS),
    "a helper": ("def f(v): return v + 1", "y = f(1)", "def f(v): return v + 2", "y = f(1)", MISS),
    "a helper's comment": ("def f(v): return v + 1", "y = f(1)", "def f(v):\n    # why\n    return v + 1", "y = f(1)", HIT),
    "an unused helper": ("def f(v): return v + 1\ndef g(): return 1", "y = f(1)", "def g(): return 2", "y = f(1)", HIT),
    "a helper of a helper": ("def f(v): return g(v)\ndef g(v): return v", "y = f(1)", "def g(v): return -v", "y = f(1)", MISS),
    "a helper's global": ("K = 1\ndef f(v): return v + K", "y = f(1)", "K = 2", "y = f(1)", MISS),
    "a helper's default": ("def f(v, k=1): return v + k", "y = f(1)", "def f(v, k=2): return v + k", "y = f(1)", MISS),
    "a helper's closure": ("def make(k):\n    return lambda v: v + k\nf = make(1)", "y = f(1)", "f = make(2)", "y = f(1)", MISS),
    "a method": ("class C:\n    def m(self): return 1\nc = C()", "y = c.m()", "class C:\n    def m(self): return 2\nc = C()", "y = c.m()", MISS),
    "a base class": ("class B:\n    def m(self): return 1\nclass C(B): pass", "y = C().m()", "class B:\n    def m(self): return 2\nclass C(B): pass", "y = C().m()", MISS),
    "its name": ("x = 2", "y = x * 3", "", "y = x * 3", HIT),
    "loop variables left over": ("i = 1", "y = [0 for i in range(3)]\nfor i in range(2): y.append(i)", "i = 7", "y = [0 for i in range(3)]\nfor i in range(2): y.append(i)", HIT),
    "back to what it was": ("x = 1", "y = x", "x = 2\nget_ipython().run_cell('%%task\\ny = x')\nx = 1", "y = x", HIT),
}  # fmt: skip


@pytest.mark.parametrize("case", AGAIN.values(), ids=AGAIN)
def test_what_changes(kernel, case):
    """A cell task runs again if and only if its code or something it reads changed."""
    before, cell, between, again, outcome = case
    kernel(before)
    first = kernel(task(cell))
    assert first.outcome == MISS, first

    kernel(between)
    second = kernel(task(again))

    assert second.outcome == outcome, second


@pytest.mark.parametrize(
    ("before", "cell", "again", "outcome"),
    [
        ("x = 2", "%%task a\ny = x", "%%task b\ny = x", HIT),
        ("x = 2", "%%task a\ny = x", "%%task a --refresh\ny = x", MISS),
        ("x = 2", "%%task a\ny = x", "%%task a --no-cache\ny = x", "uncached"),
        ("x = 2", "%%task a --no-cache\ny = x", "%%task a\ny = x", MISS),
    ],
)
def test_options(kernel, before, cell, again, outcome):
    """A name only labels; --refresh and --no-cache run the cell."""
    kernel(before)
    kernel(cell)

    second = kernel(again)

    assert second.outcome == outcome


def test_refresh_replaces(kernel, tmp_path):
    """What a cell makes under --refresh is what the next hit restores."""
    body = "import time\nmade = time.time_ns()"
    kernel(task(body))
    kernel("first = made")

    kernel(task(body, "%%task --refresh"))
    kernel("second = made; made = None")
    restored = kernel(task(body))

    assert restored.outcome == HIT
    assert kernel("made == second, made == first").result == "(True, False)"


# What a hit leaves behind, told by a last line that looks at it.

#: name: (what runs before, the cell, what looks)
LEFT = {
    "values": ("x = 2", "y = {'a': (x, [1.5])}", "y"),
    "a list built by append": ("", "rows = []\nfor i in range(3): rows.append(i)", "rows, i"),
    "an alias of an input": ("x = [1]", "y = x", "y is x, y"),
    "an alias among outputs": ("", "a = []\nb = {'k': a}\na.append(1)", "b['k'] is a, b"),
    "a deleted input": ("x = 1; z = 2", "y = x\ndel x", "'x' in globals(), y, z"),
    "a temporary": ("", "t = 1\ny = t + 1\ndel t", "'t' in globals(), y"),
    "an exception's name": ("", "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    y = str(e)", "'e' in globals(), y"),
    "an input changed in place": ("x = [3, 1, 2]; same = x", "x.sort()", "x, same is x"),
    "a dict changed in place": ("d = {'a': 1}", "d['b'] = 2\nd.pop('a')", "d"),
    "a frame changed in place": ("import pandas as pd\nf = pd.DataFrame({'a': [1, 2]})", "f['b'] = f['a'] * 2", "f.to_dict('list')"),
    "an array changed in place": ("import numpy as np\na = np.arange(3.0)", "a *= 2", "a.tolist()"),
    "an augmented number": ("n = 1", "n += 1", "n"),
    "a name on one way only": ("flag = False\nw = 'old'", "if flag:\n    w = 'new'\ny = 1", "w, y"),
    "a name not bound": ("flag = False", "if flag:\n    w = 'new'\ny = 1", "'w' in globals(), y"),
    "an import": ("", "import math as m\ny = m.floor(2.5)", "m.__name__, y"),
    "an import from": ("", "from collections import Counter as C\ny = C('aab')", "y.most_common(1), type(y) is C"),
    "a function": ("k = 10", "def f(v):\n    return v + k\ny = f(1)", "f(2), y"),
    "a function's source": ("", "def f(v):\n    return v\ny = f(1)", "__import__('inspect').getsource(f)"),
    "an instance of its own class": ("", "class P:\n    def __init__(self, v): self.v = v\np = P(3)", "isinstance(p, P), type(p) is P, p.v, __import__('pickle').loads(__import__('pickle').dumps(p)).v"),
    "an instance of an earlier class": ("class P:\n    def __init__(self, v): self.v = v", "p = P(3)", "type(p) is P, p.v"),
    "a dataclass": ("", "from dataclasses import dataclass\n@dataclass\nclass P:\n    v: int\np = [P(1), P(2)]", "p, type(p[0]) is P"),
    "an underscored name": ("", "_tmp = 4", "_tmp"),
    "an unpacked tuple": ("", "a, *b = range(4)", "a, b"),
    "an array's dtype and order": ("import numpy as np", "a = np.asfortranarray(np.ones((3, 2), 'f4'))", "a.dtype, a.flags.f_contiguous, a.flags.writeable"),
    "the result of await": ("import asyncio", "await asyncio.sleep(0)\ny = await asyncio.sleep(0, 'slept')", "y"),
    "an async for": ("async def three():\n    for i in range(3): yield i", "y = [i async for i in three()]", "y"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "cell", "look"), LEFT.values(), ids=LEFT)
def test_what_a_hit_leaves(kernel, other, before, cell, look):
    """A restored cell leaves the names that running it leaves, in any kernel."""
    kernel(before)
    assert kernel(task(cell)).outcome == MISS
    expected = kernel(look)
    assert expected.ok, expected

    other(before)
    restored = other(task(cell))

    assert restored.outcome == HIT, restored
    assert other(look).result == expected.result


#: name: (what runs before, the cell, what looks)
SHARED = {
    "a holder of a changed input": ("x = [1]; d = {'k': x}", "x.append(2)", "d, d['k'] is x"),
    "a part of an input": ("x = [[1], [2]]", "y = x[0]", "y.append(9); x"),
    "an input inside an output": ("x = [1]", "y = {'k': x}", "x.append(9); y"),
    "a view of an array": ("import numpy as np\na = np.zeros(3)", "v = a[:2]", "v[:] = 1; a.tolist()"),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_sharing_with_inputs(kernel, other, name):
    """Objects that a cell's outputs share with older names are shared after a hit."""
    before, cell, look = SHARED[name]
    kernel(before)
    kernel(task(cell))
    expected = kernel(look.replace("; ", "\n")).result

    other(before)
    other(task(cell))

    assert other(look.replace("; ", "\n")).result == expected


def test_inputs_that_are_one_object(kernel, other):
    """Two names of one list are another input than two equal lists."""
    kernel("a = [1]; b = a")
    kernel(task("a.append(2)\nn = len(b)"))

    other("a = [1]; b = [1]")
    ran = other(task("a.append(2)\nn = len(b)"))

    assert ran.outcome == MISS
    assert other("a, b, n").result == "([1, 2], [1], 1)"


def test_mutated_input_misses_again(kernel):
    """A cell that changes its own input in place runs again, on the changed input."""
    kernel("x = [1]")
    kernel(task("x.append(2)"))

    second = kernel(task("x.append(2)"))

    assert second.outcome == MISS
    assert kernel("x").result == "[1, 2, 2]"


def test_output_changed_later(kernel):
    """A value that another cell changed in place is restored as it was made."""
    kernel(task("y = [1]"))
    kernel("y.append(2)")

    assert kernel(task("y = [1]")).outcome == HIT

    assert kernel("y").result == "[1]"


def test_large_arrays(kernel, other):
    """A restored array can be written to, and the kept one stays as it was."""
    kernel("import numpy as np")
    cell = task("big = np.arange(1_000_000.0)\npart = big[10:20]")
    assert kernel(cell).outcome == MISS
    other("import numpy as np")

    assert other(cell).outcome == HIT
    other("big[:] = -1")
    shared = other("float(part.sum()), big.flags.writeable").result
    assert other(cell).outcome == HIT

    assert shared == "(-10.0, True)"
    assert other("float(big.sum())").result == "499999500000.0"


# What is shown.

SHOWN = """
import sys
from IPython.display import HTML, display
print('one')
print('two', file=sys.stderr)
display(HTML('<b>three</b>'))
print('four')
{'five': 5}
"""


def test_displays_in_order(kernel, other):
    """A restored cell shows again what it showed, in the same order."""
    first = kernel(task(SHOWN))

    second = other(task(SHOWN))

    assert first.outcome == MISS
    assert second.outcome == HIT
    expected = [
        ("stdout", "one\n"),
        ("stderr", "two\n"),
        ("display_data", "<IPython.core.display.HTML object>"),
        ("stdout", "four\n"),
        ("execute_result", "{'five': 5}"),
    ]
    assert first.shown[:-1] == second.shown[:-1] == expected


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("y = 3\ny;", []),
        ("y = 3\ny", [("execute_result", "3")]),
        ("print('a\\rb', end='')", [("stdout", "a\rb")]),
        ("print('a', end='')\nprint('b')", [("stdout", "ab\n")]),
        ("None", []),
        ("import warnings\nwarnings.warn('careful', stacklevel=1)", None),
        ("import threading\nt = threading.Thread(target=print, args=('in thread',))\nt.start(); t.join(); del t", [("stdout", "in thread\n")]),
        ("from IPython.display import clear_output\nprint('a')\nclear_output()\nprint('b')", [("stdout", "b\n")]),
        ("from IPython.display import clear_output\nprint('a')\nclear_output(wait=True)\nprint('b')", [("stdout", "b\n")]),
        ("import logging\nlogging.getLogger('x').warning('logged')", [("stderr", "logged\n")]),
    ],
)  # fmt: skip
def test_shown_again(kernel, other, cell, shown):
    """Prints, warnings, results and their absence are the same after a hit."""
    first = kernel(task(cell))

    second = other(task(cell))

    assert (first.outcome, second.outcome) == (MISS, HIT), (first, second)
    assert second.shown[:-1] == (first.shown[:-1] if shown is None else shown)


def test_figures(kernel, other):
    """The figures that matplotlib shows at the end of a cell come before its badge."""
    for each in (kernel, other):
        each("%matplotlib inline\nimport matplotlib.pyplot as plt")
    cell = task("print('before')\nplt.plot([1, 2]);")

    first, second = kernel(cell), other(cell)

    kinds = [kind for kind, _ in first.shown]
    assert kinds == ["stdout", "image", "badge"]
    assert [kind for kind, _ in second.shown] == kinds
    assert second.outcome == HIT


def test_updated_displays(kernel, other):
    """A display that the cell updated is shown again in its last form, and can be
    updated from a later cell.
    """
    cell = task("h = display('working', display_id='progress')\nh.update('done')")
    kernel(cell)

    second = other(cell)

    assert second.outcome == HIT
    assert [shown for shown in second.shown if shown[0] != "badge"] == [
        ("display_data", "'done'")
    ]
    sent = other.client.execute("h.update('later')")
    assert other.wait(sent).shown == [("update_display_data", "'later'")]


def test_update_of_an_earlier_display(kernel, other):
    """A restored cell updates the displays of earlier cells that it updated."""
    cell = task(
        "from IPython.display import update_display\n"
        "update_display('new', display_id='one')"
    )
    for each in (kernel, other):
        each("h = display('old', display_id='one')")
    kernel(cell)

    second = other(cell)

    assert ("update_display_data", "'new'") in second.shown


def test_last_value(kernel, other):
    """``_`` and ``Out`` hold the value of a restored cell's last expression."""
    cell = task("rows = [1, 2]\nrows")
    kernel(cell)

    other(cell)

    assert other("_ is rows, [v for v in Out.values() if v is rows][0]").result == (
        "(True, [1, 2])"
    )


def test_last_value_without_a_name(kernel, other):
    """``_`` is the value itself, although no name of the cell holds it."""
    kernel(task("[1, 2] * 2"))

    restored = other(task("[1, 2] * 2"))

    assert restored.outcome == HIT
    assert other("_ + [3]").result == "[1, 2, 1, 2, 3]"


def test_a_temporary_that_was_there_before(kernel, other):
    """A name that the cell makes and deletes is gone after a hit, whoever had it."""
    kernel(task("t = 1\ny = t + 1\ndel t"))
    other("t = 'mine'")

    restored = other(task("t = 1\ny = t + 1\ndel t"))

    assert restored.outcome == HIT
    assert other("'t' in globals()").result == "False"


def test_what_an_earlier_cell_showed_is_not_kept(kernel, tmp_path):
    """A cell that shows nothing keeps no value of the cell before it."""
    kernel("import numpy as np\nnp.zeros(1_000_000)")

    kernel(task("y = 1"))

    held = sum(f.stat().st_size for f in (tmp_path / "home").rglob("cas/*/*"))
    assert held == 0


# What cannot be kept is run, and said.

#: name: (what runs before, the cell, words of the badge)
UNCACHED = {
    "an input without content": ("rows = (i for i in range(3))", "y = 1\ntotal = sum(rows)", ["rows", "generator"]),
    "an open file": ("import io, os\nfile = open(os.devnull)", "y = file.name", ["file"]),
    "a generator made": ("def f():\n    yield 1", "rows = f()", ["rows", "generator"]),
    "a generator begun": ("", "rows = (i for i in range(3))\nnext(rows)", ["rows", "generator"]),
    "a lock made": ("import threading", "lock = threading.Lock()\nlock.acquire()", ["lock"]),
    "a shell command": ("", "!echo out", ["shell"]),
    "a library's settings": ("import numpy as np", "np.set_printoptions(precision=8)", ["set_printoptions"]),
    "settings of an import": ("", "import warnings\nwarnings.simplefilter('ignore')", ["simplefilter"]),
    "exec": ("", "exec('y = 1')", ["exec"]),
    "a global of a function": ("n = 1\ndef f():\n    global n\n    n += 1", "f()", ["'f'"]),
    "history": ("1 + 1", "y = _", ["'_'"]),
    "a star import": ("", "from math import *\ny = floor(1.5)", ["math"]),
    "a widget": ("import ipywidgets", "display(ipywidgets.IntSlider())", ["widget"]),
}  # fmt: skip


@pytest.mark.parametrize(("before", "cell", "words"), UNCACHED.values(), ids=UNCACHED)
def test_uncached(kernel, before, cell, words):
    """A cell that cannot be restored runs each time, and its badge says why."""
    kernel(before)

    outcomes = [kernel(task(cell)) for _ in range(2)]

    for ran in outcomes:
        assert ran.ok
        assert ran.outcome == "uncached", ran
        assert all(word in ran.badge for word in words), ran.badge


def test_line_of_a_reason(kernel):
    """A reason names the line as the editor counts it."""
    ran = kernel(task("x = 1\n!echo out"))

    assert "line 3" in ran.badge


def test_subprocess(kernel):
    """A cell that starts a process runs each time: what it reads is not known."""
    kernel("import subprocess")

    ran = kernel(task("y = subprocess.run(['date'], capture_output=True).stdout"))

    assert ran.outcome == "uncached"


def test_import_that_sets_the_environment(new_kernel, tmp_path):
    """An import for the first time, which sets variables, does not stop a hit."""
    # polars appends to its variable if there is one.
    kernel = new_kernel(_RJEM_MALLOC_CONF="narenas:1")
    kernel.start_over(tmp_path / "home", tmp_path)

    first = kernel(task("import polars as pl\ny = pl.Series([1]).sum()"))

    assert first.outcome == MISS, first.badge


def test_some_outputs_cannot_be_kept(kernel):
    """An output that cannot be stored is named, and the cell's names are all there."""
    ran = kernel(task("good = 1\nbad = (i for i in range(3))\nbad = bad"))

    assert ran.outcome == "uncached"
    assert "bad" in ran.badge
    assert kernel("good, list(bad)").result == "(1, [0, 1, 2])"


def test_shell_output(kernel):
    """A shell command's output is shown once, as without %%task."""
    ran = kernel(task("!echo from the shell"))

    assert ran.stdout.splitlines() == ["from the shell"]


@pytest.mark.parametrize("body", ["", "# only a comment", "pass", "'a docstring'"])
def test_empty(kernel, body):
    """An empty cell task does nothing and says nothing."""
    ran = kernel(f"%%task nothing\n{body}")

    assert ran.ok
    assert ran.badge is None


# Errors.


def test_error(kernel):
    """An error is shown once, with the line as the editor counts it; nothing is kept,
    and names from before the error stay.
    """
    cell = task("early = 1\n\n1 / 0\nlate = 2", "%%task broken")

    first, second = kernel(cell), kernel(cell)

    for ran in (first, second):
        assert not ran.ok
        assert ran.badge is None
        text = plain(ran.error)
        assert text.count("ZeroDivisionError: division by zero") == 1
        assert "line 4" in text
        assert "----> 4 1 / 0" in text
        assert "nborch" not in text
    assert kernel("early, 'late' in globals()").result == "(1, False)"


def test_error_in_a_helper(kernel):
    """A traceback goes from the cell's line to the helper's and shows both."""
    kernel("def divide(a, b):\n    return a / b")

    ran = kernel(task("divide(1, 0)"))

    text = plain(ran.error)
    assert "----> 2 divide(1, 0)" in text
    assert "----> 2     return a / b" in text
    assert "nborch" not in text


def test_undefined_name(kernel):
    """A name that is nowhere defined is Python's own NameError."""
    ran = kernel(task("y = undefined_name"))

    assert "NameError: name 'undefined_name' is not defined" in plain(ran.error)


def test_undefined_name_defined_later(kernel):
    """A cell that failed for want of a name runs when the name is there."""
    kernel(task("y = later"))
    kernel("later = 3")

    assert kernel(task("y = later")).outcome == MISS


@pytest.mark.parametrize(
    ("body", "line"), [("x = 1\ny = (", 3), ("x = 1\ny y", 3), ("def f(:", 2)]
)
def test_syntax_error(kernel, body, line):
    """A syntax error is shown on the line where the editor has it."""
    ran = kernel(f"%%task broken\n{body}")

    text = plain(ran.error)
    assert not ran.ok
    assert f"line {line}" in text
    assert text.count("SyntaxError:") == 1


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("%%task --refesh", "Did you mean '--refresh'?"),
        ("%%task a b", "takes one name, not 2: a, b. Join them: a_b."),
        ("%%task 'a", "cannot be read"),
    ],
)
def test_wrong_header(kernel, header, words):
    """A wrong %%task line is told in a sentence, without a traceback, and runs nothing."""
    ran = kernel(f"{header}\nran_anyway = 1")

    text = plain(ran.error)
    assert not ran.ok
    assert words in text
    assert len(text.splitlines()) == 1
    assert kernel("'ran_anyway' in globals()").result == "False"


def test_interrupt(kernel, tmp_path):
    """An interrupted cell task shows KeyboardInterrupt and keeps nothing; the next cell
    works.
    """
    sent = kernel.client.execute(
        task(
            """
            import pathlib, time
            pathlib.Path('started').touch()
            time.sleep(20)
            """
        ),
        # What waits behind it is not thrown away with it.
        stop_on_error=False,
    )
    ran = kernel.interrupt_when(tmp_path / "started", sent)

    assert "KeyboardInterrupt" in plain(ran.error)
    after = kernel(task("y = 1\ny"))
    assert (after.outcome, after.result) == (MISS, "1")


def test_system_exit(kernel):
    """``raise SystemExit`` in a cell task ends the cell as it ends any cell."""
    ran = kernel(task("y = 1\nraise SystemExit(3)"))

    assert ran.outcome is None
    assert kernel("y").result == "1"


# Files.


@pytest.mark.parametrize(
    "reads",
    [
        "import pandas as pd\ny = pd.read_csv('data.csv')['a'].sum()",
        "with open('data.csv') as file:\n    y = file.read()\ndel file",
        "from pathlib import Path\ny = Path('data.csv').read_text()",
        "import numpy as np\ny = np.loadtxt('data.csv', skiprows=1)",
        "import csv\nfile = open('data.csv')\ny = list(csv.reader(file))\nfile.close()\ndel file",
        "import polars as pl\ny = pl.read_csv('data.csv')['a'].sum()",
        "import pyarrow.csv\ny = pyarrow.csv.read_csv('data.csv').num_rows",
        "import pandas as pd\nname = 'data'\ny = pd.read_csv(f'{name}.csv', engine='pyarrow')['a'].sum()",
    ],
    ids=["pandas", "open", "path", "numpy", "csv", "polars", "pyarrow", "engine"],
)
def test_files(kernel, tmp_path, reads):
    """A file that a cell reads is an input: its content counts, not its time."""
    kernel(reads.partition("\n")[0])
    data = tmp_path / "data.csv"
    data.write_text("a\n1\n2\n")
    assert kernel(task(reads)).outcome == MISS
    assert kernel(task(reads)).outcome == HIT

    os.utime(data, (1, 1))
    touched = kernel(task(reads))
    data.write_text("a\n1\n3\n")
    changed = kernel(task(reads))

    assert touched.outcome == HIT
    assert changed.outcome == MISS


def test_parquet(kernel, tmp_path):
    """A parquet file is an input, although pyarrow opens it unseen by Python."""
    import pandas as pd

    cell = task("import pandas as pd\ny = pd.read_parquet('data.parquet')['a'].sum()")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "data.parquet")
    kernel(cell)

    pd.DataFrame({"a": [2]}).to_parquet(tmp_path / "data.parquet")

    assert kernel(cell).outcome == MISS
    assert kernel("int(y)").result == "2"


def test_parquet_under_a_computed_name(kernel, tmp_path):
    """A parquet file is an input, although its name is computed."""
    import pandas as pd

    cell = task(
        "import pandas as pd\nname = 'data'\n"
        "y = pd.read_parquet(f'{name}.parquet')['a'].sum()"
    )
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "data.parquet")
    kernel(cell)

    pd.DataFrame({"a": [2]}).to_parquet(tmp_path / "data.parquet")

    assert kernel(cell).outcome in {MISS, "uncached"}
    assert kernel("int(y)").result == "2"


def test_a_file_that_appears(kernel, tmp_path):
    """A file that was looked for in vain is an input, too."""
    cell = task(
        """
        try:
            with open('maybe.txt') as file:
                y = file.read()
            del file
        except FileNotFoundError:
            y = 'none'
        """
    )
    kernel(cell)
    assert kernel(cell).outcome == HIT

    (tmp_path / "maybe.txt").write_text("some")

    assert kernel(cell).outcome == MISS
    assert kernel("y").result == "'some'"


def test_a_listed_folder(kernel, tmp_path):
    """A folder that a cell lists is an input."""
    (tmp_path / "data").mkdir()
    cell = task("from pathlib import Path\ny = len(list(Path('data').glob('*.csv')))")
    kernel(cell)

    (tmp_path / "data" / "new.csv").touch()

    assert kernel(cell).outcome == MISS


@pytest.mark.parametrize(
    "writes",
    [
        "import pandas as pd\npd.DataFrame({'a': [1]}).to_csv('made.csv')",
        "from pathlib import Path\n_ = Path('made.csv').write_text('a')\ndel _",
        "import numpy as np\nnp.savetxt('made.csv', np.ones(3))",
    ],
)
def test_written_files(kernel, tmp_path, writes):
    """A cell whose written file is gone or changed runs again and writes it."""
    cell = task(writes)
    kernel(cell)
    made = tmp_path / "made.csv"
    content = made.read_bytes()

    made.unlink()
    kernel(cell)
    gone = made.exists()
    made.write_bytes(b"changed")
    kernel(cell)

    assert gone
    assert made.read_bytes() == content


def test_a_file_written_and_read(kernel):
    """A file that the cell itself writes and reads back does not keep it from hits."""
    cell = task(
        """
        from pathlib import Path
        path = Path('own.txt')
        path.write_text('a')
        y = path.read_text()
        """
    )
    kernel(cell)

    assert kernel(cell).outcome == HIT


def test_another_folder(kernel, other, tmp_path):
    """The same notebook beside other data does not get the first one's results."""
    cell = task("from pathlib import Path\ny = Path('data.txt').read_text()")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.txt").write_text(name)
    kernel(f"%cd -q {tmp_path / 'one'}")
    other(f"%cd -q {tmp_path / 'two'}")
    kernel(cell)

    second = other(cell)

    assert second.outcome == MISS
    assert other("y").result == "'two'"


def test_a_copied_folder(kernel, other, tmp_path):
    """The same notebook beside equal data shares its results."""
    cell = task("from pathlib import Path\ny = Path('data.txt').read_text()")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "data.txt").write_text("same")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    kernel(f"%cd -q {tmp_path / 'one'}")
    other(f"%cd -q {tmp_path / 'two'}")
    kernel(cell)

    assert other(cell).outcome == HIT


def test_a_local_module(kernel, other, tmp_path):
    """The code of a module beside the notebook is an input of who imports it."""
    (tmp_path / "beside.py").write_text("def f():\n    return 1\n")
    cell = task("import beside\ny = beside.f()")
    for each in (kernel, other):
        each("import sys\nsys.path.insert(0, '')\nsys.modules.pop('beside', None)")
    kernel(cell)
    assert kernel(cell).outcome == HIT

    (tmp_path / "beside.py").write_text("def f():\n    return 1 + 1\n")

    assert other(cell).outcome == MISS
    assert other("y").result == "2"


# Randomness.


def test_random_state(kernel, other):
    """After a hit the random generators stand where the cell left them."""
    for each in (kernel, other):
        each("import random\nrandom.seed(1)")
    kernel(task("y = random.random()"))
    expected = kernel("random.random()").result

    second = other(task("y = random.random()"))

    assert second.outcome == HIT
    assert other("random.random()").result == expected


def test_another_seed(kernel):
    """A cell that draws from a generator that was seeded otherwise runs again."""
    kernel("import random\nrandom.seed(1)")
    kernel(task("y = random.random()"))
    kernel("first = y\nrandom.seed(2)")

    kernel(task("y = random.random()"))

    assert kernel("y == first").result == "False"


# Magics around and within.


def test_time(kernel):
    """%%time above %%task measures it and leaves its names."""
    cell = "%%time\n%%task timed\ny = 1 + 1"
    first, second = kernel(cell), kernel(cell)

    assert (first.outcome, second.outcome) == (MISS, HIT)
    assert "Wall time" in second.stdout
    assert kernel("y").result == "2"


def test_time_of_an_error(kernel):
    """An error under %%time and %%task is shown once."""
    ran = kernel("%%time\n%%task timed\n1 / 0")

    assert plain(ran.text()).count("ZeroDivisionError: division by zero") == 1


def test_capture(kernel):
    """%%capture above %%task captures what a hit shows, too."""
    cell = "%%capture shown\n%%task captured\nprint('inside')\nprint('and', 'on')"
    kernel(cell)
    first = kernel("shown.stdout").result

    ran = kernel(cell)

    assert first == r"'inside\nand on\n'"
    assert ran.stdout == ""
    assert kernel("shown.stdout").result == first


def test_magics_within(kernel, other):
    """A magic that only shows may stand in a cell task."""
    cell = task("%matplotlib inline\nx = 3\nx")
    kernel(cell)

    assert other(cell).outcome == HIT
    assert other("x").result == "3"


# Several kernels, and the session.


def test_one_execution(kernel, other):
    """Two kernels that need the same cell at once execute it once."""
    cell = task("import os, time\ntime.sleep(1.5)\npid = os.getpid()")
    ran = {}

    def run(each, name):
        ran[name] = each(cell)

    threads = [
        threading.Thread(target=run, args=(kernel, "first")),
        threading.Thread(target=run, args=(other, "second")),
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.3)
    for thread in threads:
        thread.join()

    assert sorted(each.outcome for each in ran.values()) == [HIT, MISS]
    assert kernel("pid").result == other("pid").result


def test_who_waits_is_seen(kernel, other, tmp_path, until):
    """A cell is running in the store as it runs, and pending as it waits for another."""
    body = 'while "go" not in os.listdir("."): time.sleep(0.02)'
    cells = []
    for each in (kernel, other):
        # The first one has its session recorded as well.
        each(task("begun = 1"))
        each("import os, time")
        waits = task(body, "%%task wait")
        cells.append(threading.Thread(target=each, args=(waits,)))
    store = opened(tmp_path / "home")

    def states():
        runs = [r for r in store.records() if r.run.of == "wait"]
        return sorted(r.state.name for r in runs if r.state is not None)

    cells[0].start()
    runs = until(lambda: states() == ["Running"])
    cells[1].start()
    waits = until(lambda: states() == ["Pending", "Running"])
    (tmp_path / "go").touch()
    for cell in cells:
        cell.join()
    store.close()

    assert runs
    assert waits


def test_session_run(kernel, tmp_path):
    """Cell tasks, tasks and flows called in cells belong to the session's run."""
    kernel("from nborch import flow, task\n@task\ndef double(v): return 2 * v")
    kernel("@flow\ndef both():\n    return double(1) + double(2)")
    kernel(task("y = 1", "%%task first"))
    kernel(task("y = 1", "%%task first"))
    kernel("double(4)")
    kernel("both()")

    store = opened(tmp_path / "home")
    (session,) = [r for r in store.records() if r.run.kind == "session"]
    children = [(r.run.kind, r.run.of, r.state.name) for r in store.children(session.run.id)]  # fmt: skip
    flows = [r for r in store.children(session.run.id) if r.run.kind == "flow"]
    within = [r.run.of for r in store.children(flows[0].run.id)] if flows else []
    store.close()

    assert session.state.name == "Running"
    assert children == [
        ("task", "first", "Completed"),
        ("task", "first", "Cached"),
        ("task", "double", "Completed"),
        ("flow", "both", "Completed"),
    ]
    assert within == ["double", "double"]


def test_task_called_in_a_cell_task(kernel, tmp_path):
    """A task that a cell task calls belongs to the cell's run."""
    kernel("from nborch import task\n@task\ndef double(v): return 2 * v")
    kernel(task("y = double(2)", "%%task outer"))

    store = opened(tmp_path / "home")
    (outer,) = [r for r in store.records() if r.run.of == "outer"]
    within = [r.run.of for r in store.children(outer.run.id)]
    store.close()

    assert within == ["double"]


def test_failed_in_the_store(kernel, tmp_path):
    """A cell task that raised is a failed run with the error's words."""
    kernel(task("1 / 0", "%%task broken"))

    store = opened(tmp_path / "home")
    (broken,) = [r for r in store.records() if r.run.of == "broken"]
    store.close()

    assert broken.state.name == "Failed"
    assert "division by zero" in broken.state.message


def test_load_twice(kernel):
    """Loading the extension twice is the same as once."""
    kernel("%load_ext nborch")
    kernel("%reload_ext nborch")

    ran = kernel(task("print('once')"))

    assert ran.stdout == "once\n"
    assert ran.text("badge").count("ran") == 1


def test_unload(kernel, tmp_path):
    """After unloading, %%task is unknown, the session's run is over, and loading it
    again works.
    """
    kernel(task("y = 1"))
    kernel("%unload_ext nborch")
    unknown = kernel(task("y = 2"))
    store = opened(tmp_path / "home")
    states = [r.state.name for r in store.records() if r.run.kind == "session"]
    store.close()
    kernel("%load_ext nborch")

    assert "task" in plain(unknown.text())
    assert "not found" in plain(unknown.text())
    assert states == ["Completed"]
    assert kernel(task("y = 1")).outcome == HIT


def test_help(kernel):
    """``%%task?`` shows the help with the options."""
    sent = kernel.client.execute("%%task?")
    kernel.wait(sent)

    ran = kernel("get_ipython().find_cell_magic('task').__doc__")

    assert "--no-cache" in ran.text()


def opened(home):
    from nborch.store.sqlite import SQLiteStore

    # The kernel's events are on disk within 50 ms.
    time.sleep(0.3)
    return SQLiteStore(home / "nborch.db")


def plain(text):
    """Return text without colours."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text or "")


def test_the_home_is_no_input(kernel, other, tmp_path):
    """What becomes of nborch's own folder does not count as a change of data."""
    cell = task("import os\n_ = os.listdir('home')\ny = 1")
    assert kernel(cell).outcome == MISS

    (tmp_path / "home" / "later").touch()

    assert other(cell).outcome == HIT


def test_an_unloaded_session_encloses_nothing(kernel):
    """What runs after the extension was unloaded belongs to no session."""
    look = "from nborch.context import enclosing_run\nenclosing_run() is None"
    assert kernel(look).result == "False"

    kernel("%unload_ext nborch")
    found = kernel(look).result
    kernel("%load_ext nborch")

    assert found == "True"


def test_a_feature_of_the_future_holds_for_later_cells(kernel, other):
    """What a restored cell imports from __future__ counts in all cells after it."""
    cell = task("from __future__ import annotations\nx = 1")
    kernel(cell)

    restored = other(cell)

    assert restored.outcome == HIT
    assert other("def f(a: nowhere): pass\nf.__annotations__").ok


def test_a_feature_of_the_future_is_part_of_the_key(kernel, other):
    """A cell that was compiled otherwise by an earlier cell's import is another one."""
    cell = task("def f(a: nowhere):\n    return a\ny = f(1)")
    kernel("from __future__ import annotations")
    assert kernel(cell).outcome == MISS
    assert kernel(cell).outcome == HIT

    without = other(cell)

    assert "NameError: name 'nowhere' is not defined" in plain(without.error)
