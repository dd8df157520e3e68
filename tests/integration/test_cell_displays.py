"""What a cell task shows, as a front end puts it on the page: as a plain cell's."""

import os
import re
import textwrap

import pytest

from nborch.view.badge import MIME

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX"),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

MISS, HIT, UNCACHED = "ran", "cached", "uncached"
#: As ``%reset -f``, at a tenth of its time.
FORGET = """
for _name in set(globals()) - {"In", "Out", "get_ipython", "exit", "quit", "open"}:
    if not _name.startswith("_"):
        del globals()[_name]
"""


class Page:
    """The outputs of cells, filed as a front end files a kernel's messages."""

    def __init__(self):
        self.cells = []

    def add(self, ran):
        """File the messages of one more cell."""
        self.cells.append([])
        clears = False
        for kind, content in ran.messages:
            if kind == "clear_output":
                clears = content["wait"]
                if not clears:
                    self.cells[-1].clear()
            elif kind == "update_display_data":
                self._update(content)
            elif kind in {"stream", "display_data", "execute_result", "error"}:
                if MIME in content.get("data", {}):
                    continue
                if clears:
                    self.cells[-1].clear()
                    clears = False
                self._show(kind, content)

    def _show(self, kind, content):
        shown = self.cells[-1]
        if kind == "stream":
            name, text = content["name"], content["text"]
            if shown and shown[-1][0] == name:
                shown[-1][1] += text
            else:
                shown.append([name, text])
        elif kind == "error":
            shown.append([kind, content["ename"], "\n".join(content["traceback"])])
        else:
            known = content.get("transient", {}).get("display_id")
            shown.append([kind, content["data"], content["metadata"], known])
            if known is not None:
                self._update(content)

    def _update(self, content):
        known = content["transient"]["display_id"]
        for output in (each for cell in self.cells for each in cell):
            if output[0] == "display_data" and output[3] == known:
                output[1:3] = content["data"], content["metadata"]

    def settled(self):
        """Return what can be compared: without addresses and random ids."""
        return [
            # IPython says once in a while how a kernel is left.
            [_settled(output[:3]) for output in cell if "To exit: use" not in output[1]]
            for cell in self.cells
        ]


def _settled(value):
    if isinstance(value, str):
        value = re.sub(r"\x1b\[[0-9;]*m", "", value)
        value = value.replace("%%task --refresh", "%%task")
        value = re.sub(r"In\s?\[\d+\]", "In [n]", value)
        value = re.sub(r"/ipykernel_\d+/\d+", "/ipykernel/cell", value)
        value = re.sub(r"\b0x[0-9a-f]{6,}\b", "0x", value)
        return re.sub(r"\b[0-9a-f]{32}\b", "id", value)
    if isinstance(value, dict):
        return {key: _settled(each) for key, each in value.items()}
    return [_settled(each) for each in value] if isinstance(value, list) else value


def cells_of(text):
    """Return the cells of a case: separated by lines of dashes."""
    return [textwrap.dedent(each).strip("\n") for each in re.split(r"(?m)^---$", text)]


@pytest.fixture(scope="module")
def pair(kernel_processes, tmp_path_factory):
    """Two kernels for all cases here: what they share is one home."""
    folder = tmp_path_factory.mktemp("displays")
    for kernel in kernel_processes:
        kernel.start_over(folder / "home", folder)
    return kernel_processes


def pages(pair, text):
    """Return the pages of a notebook: plain, run as tasks, and restored.

    The cells are tasks except those that say otherwise in their first line.
    """
    kernel, other = pair
    cells = cells_of(text)
    found = []
    for each, header in (
        *[(kernel, "# %%task"), (kernel, "%%task --refresh"), (other, "%%task")],
    ):
        page, badges = Page(), []
        each(FORGET)
        for source in cells:
            ran = each(
                source if source.startswith("# plain") else f"{header}\n{source}"
            )
            page.add(ran)
            badges.append(ran.badge)
        found.append((page.settled(), badges))
    return found


#: name: notebook, whose cells are tasks except where marked
SAME = {
    "streams interleaved": "import sys\nfor i in range(3):\n    print(i, flush=True)\n    print(-i, file=sys.stderr, flush=True)",
    "carriage returns": "for i in range(3):\n    print(f'\\r{i}/3', end='', flush=True)",
    "ansi": "print('\\x1b[31mred\\x1b[0m')",
    "unicode": "print('é 漢 \\U0001f600')",
    "writelines": "import sys\nsys.stdout.writelines(['a\\n', 'b\\n'])",
    "a handle's updates": "h = display('a', display_id=True)\nh.update('b')",
    "an update from a later cell": "h = display('a', display_id=True)\n---\nh.update('b')",
    "an update from a later plain cell": "h = display('a', display_id=True)\n---\n# plain\nh.update('b')",
    "an id that two cells know": "display('a', display_id='one')\n---\nfrom IPython.display import update_display\nupdate_display('b', display_id='one')",
    "an id shown twice in a cell": "display('a', display_id='one')\ndisplay('b', display_id='one')",
    "an id shown in two cells": "display('a', display_id='one')\n---\ndisplay('b', display_id='one')",
    "a handle in a list": "hs = [display(i, display_id=True) for i in range(2)]\n---\n# plain\nfor i, h in enumerate(hs):\n    h.update(i + 10)",
    "a handle's second display": "h = display('a', display_id=True)\nh.display('b')",
    "an empty display to fill": "h = display(display_id=True)\nh.update('filled')",
    "an id made of an input": "# plain\nk = 'one'\n---\ndisplay('a', display_id=k)\n---\n# plain\nfrom IPython.display import update_display\nupdate_display('b', display_id='one')",
    "clear": "from IPython.display import clear_output\nprint('a')\nclear_output()\nprint('b')",
    "clear at the end": "from IPython.display import clear_output\nprint('a')\nclear_output()",
    "clear that waits in vain": "from IPython.display import clear_output\nprint('a')\nclear_output(wait=True)",
    "an animation": "from IPython.display import clear_output\nfor i in range(3):\n    clear_output(wait=True)\n    display(i)\n    print('frame', i)",
    "clear of a handle's display": "from IPython.display import clear_output\nh = display('a', display_id='gone')\nclear_output()\nh.update('b')\nprint('end')",
    "html": "from IPython.display import HTML\nHTML('<b>x</b>')",
    "many kinds": "from IPython.display import *\ndisplay(HTML('<i>x</i>'), Markdown('*x*'), Latex('$x$'), JSON({'a': [1]}), SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'), Javascript('1'))" .replace("from IPython.display import *", "from IPython.display import HTML, Markdown, Latex, JSON, SVG, Javascript"),
    "a picture": "from IPython.display import Image\nimport base64\nImage(base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='), width=3)",
    "a frame": "import pandas as pd\npd.DataFrame({'a': [1, 2]})",
    "a styled frame": "import pandas as pd\npd.DataFrame({'a': [1, 2]}).style.set_uuid('u').format('{:.1f}')",
    "a series and a frame": "import pandas as pd\nf = pd.DataFrame({'a': [1, 2]})\ndisplay(f)\nf['a']",
    "a mime bundle": "class Chart:\n    def _repr_mimebundle_(self, include=None, exclude=None):\n        return {'application/vnd.plotly.v1+json': {'data': [1], 'layout': {}}, 'text/plain': 'chart'}, {'application/vnd.plotly.v1+json': {'height': 3}}\nChart()",
    "an ipython display": "class Shows:\n    def _ipython_display_(self):\n        print('shown by itself')\nShows()",
    "publish_display_data": "from IPython.display import publish_display_data\npublish_display_data({'text/plain': 'p', 'application/x+json': {'a': 1}}, {'m': 1})",
    "metadata": "display('x', metadata={'tags': ['t']})",
    "raw": "display({'text/plain': 'raw', 'text/html': '<p>raw</p>'}, raw=True)",
    "a figure by plt.show": "# plain\n%matplotlib inline\nimport matplotlib.pyplot as plt\n---\nplt.plot([1, 2])\nplt.show()\nprint('after')",
    "a figure left open": "# plain\n%matplotlib inline\nimport matplotlib.pyplot as plt\n---\nprint('before')\nplt.plot([1, 2])",
    "a figure as the last expression": "# plain\n%matplotlib inline\nimport matplotlib.pyplot as plt\n---\nfig, ax = plt.subplots()\nax.plot([1, 2])\nfig",
    "a figure closed": "# plain\n%matplotlib inline\nimport matplotlib.pyplot as plt\n---\nfig, ax = plt.subplots()\nplt.close(fig)\nprint('none')",
    "two figures": "# plain\n%matplotlib inline\nimport matplotlib.pyplot as plt\n---\nfor i in range(2):\n    plt.figure()\n    plt.plot([i, 2])",
    "two shows": "# plain\n%matplotlib inline\nimport matplotlib.pyplot as plt\n---\nfor i in range(2):\n    plt.plot([i, 2])\n    plt.show()\n    print(i)",
    "the last value": "x = [1, 2]\nx\n---\n# plain\n_, Out[max(Out)]",
    "no last value": "# plain\nn = len(Out)\n---\nx = [1, 2]\nx;\n---\n# plain\nlen(Out) - n",
    "a semicolon and a comment": "x = 1\nx;  # quiet",
    "a value that is None": "print('a')\nNone",
    "a long value": "list(range(1500))",
    "all expressions": "# plain\nget_ipython().ast_node_interactivity = 'all'\n---\n1\n'two'\nx = 3\nx\n---\n# plain\nget_ipython().ast_node_interactivity = 'last_expr'",
    "all expressions, in a loop": "# plain\nget_ipython().ast_node_interactivity = 'all'\n---\nfor i in range(2):\n    i\nif i:\n    'yes'\n---\n# plain\nget_ipython().ast_node_interactivity = 'last_expr'",
    "the last statement": "# plain\nget_ipython().ast_node_interactivity = 'last'\n---\n'no'\nfor i in range(2):\n    i\n---\n# plain\nget_ipython().ast_node_interactivity = 'last_expr'",
    "an assignment shown": "# plain\nget_ipython().ast_node_interactivity = 'last_expr_or_assign'\n---\nx = 3\n---\nx += 1\n---\ny: int = 5\n---\na = b = 3\n---\n# plain\nget_ipython().ast_node_interactivity = 'last_expr'",
    "nothing shown": "# plain\nget_ipython().ast_node_interactivity = 'none'\n---\n1\n---\n# plain\nget_ipython().ast_node_interactivity = 'last_expr'",
    "a warning": "import warnings\nwarnings.warn('careful')",
    "a warning in a function": "def f():\n    import warnings\n    warnings.warn('careful', stacklevel=2)\nf()",
    "logging": "import logging\nlogging.getLogger('x').warning('logged')",
    "a handler made before": "# plain\nimport logging\nlog = logging.getLogger('mine')\nlog.handlers = [logging.StreamHandler()]\n---\nlog.warning('to its stream')",
    "a thread's print": "import threading\nt = threading.Thread(target=print, args=('in thread',))\nt.start()\nt.join()\ndel t",
    "a thread's display": "import threading\nt = threading.Thread(target=display, args=('in thread',))\nt.start()\nt.join()\ndel t",
    "an executor's prints": "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(1) as pool:\n    list(pool.map(print, range(3)))\ndel pool",
    "a display in a function": "def show(v):\n    display(v)\n    return v\nshow(1)",
    "print in a comprehension": "[print(i) for i in range(2)]",
    "stdout redirected": "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as buffer:\n    print('not shown')\ntext = buffer.getvalue()\ndel buffer\nprint('shown', text)",
    "captured by capture_output": "from IPython.utils.capture import capture_output\nwith capture_output() as c:\n    print('inside')\n    display('d')\ntext = c.stdout\ndel c\ntext",
    "an exception caught": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    print(e)",
    "a printed traceback": "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    print(traceback.format_exc().splitlines()[-1])",
    "tqdm": "from tqdm import tqdm\nfor i in tqdm(range(3), mininterval=100, bar_format='{n}/{total}'):\n    pass",
    "rich": "from rich.console import Console\nConsole(force_jupyter=True).print('[b]bold[/b]')",
    "help": "help(len)",
    "a pretty print": "import pprint\npprint.pprint({'a': list(range(40))})",
    "a function's source": "def f():\n    return 1\n---\n# plain\nimport inspect\nprint(inspect.getsource(f))",
    "a class's source": "class C:\n    def m(self):\n        return 1\n---\n# plain\nimport inspect\nprint(inspect.getsource(C.m))",
    "an async body": "import asyncio\nawait asyncio.sleep(0)\nprint('a')\nawait asyncio.sleep(0, 'slept')",
    "an async generator's prints": "import asyncio\nasync def f():\n    for i in range(2):\n        print(i)\n        await asyncio.sleep(0)\nawait f()",
}  # fmt: skip


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_shows_the_same(pair, text):
    """A cell task shows what the plain cell shows: when it runs, and when restored."""
    (plain, _), (ran, first), (restored, second) = pages(pair, text)

    assert ran == plain
    assert restored == plain
    tasks = [source[:7] != "# plain" for source in cells_of(text)]
    assert outcomes(first) == [MISS if task else None for task in tasks]
    assert outcomes(second) == [HIT if task else None for task in tasks]


def outcomes(badges):
    return [badge and badge.partition(" ")[0] for badge in badges]


#: name: notebook whose last cell raises
ERRORS = {
    "in the cell": "x = 1\n1 / 0\nx = 2",
    "in the first line": "1 / 0",
    "in a helper": "# plain\ndef divide(a, b):\n    return a / b\n---\ndivide(1, 0)",
    "in a helper of the cell": "def divide(a, b):\n    return a / b\ndivide(1, 0)",
    "in a helper of a task": "def divide(a, b):\n    return a / b\n---\ndivide(1, 0)",
    "in a library": "import json\njson.loads('{')",
    "in a class body": "class C:\n    x = 1 / 0",
    "in a comprehension": "[1 / i for i in (1, 0)]",
    "in a multi-line call": "max(\n    1,\n    1 / 0,\n)",
    "in the last expression": "x = 1\nx.missing",
    "in a repr": "class C:\n    def __repr__(self):\n        return 1 / 0\nC()",
    "from another": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('second') from e",
    "while another": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('second')",
    "a group": "raise ExceptionGroup('two', [ValueError('a'), KeyError('b')])",
    "with a note": "e = ValueError('noted')\ne.add_note('look here')\nraise e",
    "its own class": "class Mine(Exception):\n    pass\nraise Mine('mine')",
    "no such name": "undefined_name",
    "no such module": "import no_such_module",
    "an assertion": "assert 1 == 2, 'no'",
    "code that it compiles": "x = 1\neval('x = (')",
    "a module that it imports": "import ast\nast.literal_eval('(')",
    "a nested group": "def f():\n    raise ExceptionGroup('two', [ValueError('a')])\ntry:\n    f()\nexcept ExceptionGroup as e:\n    raise KeyError('k') from e",
    "after an await": "import asyncio\nawait asyncio.sleep(0)\n1 / 0",
    "after output": "print('before')\ndisplay('shown')\n1 / 0",
    "KeyboardInterrupt": "print('before')\nraise KeyboardInterrupt",
    "SystemExit": "raise SystemExit(3)",
    "sys.exit": "import sys\nsys.exit('bye')",
    "from a magic": "%no_such_magic",
    "of a magic's arguments": "%alias_magic",
    "syntax": "x = 1\ny = (",
    "indentation": "if x:\ny = 1",
    "return outside": "return 1",
    "await outside": "def f():\n    await x",
    "break outside": "x = 1\nbreak",
    "a tab": "if True:\n    x = 1\n\ty = 2",
    "a null byte": "x = '\0'",
    "generator exit": "raise GeneratorExit('g')",
    "stop iteration": "next(iter([]))",
    "a warning as error": "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('error')\n    warnings.warn('raised')",
}  # fmt: skip


@pytest.mark.parametrize("text", ERRORS.values(), ids=ERRORS)
def test_fails_the_same(pair, text):
    """An error's traceback is the plain cell's, whenever the cell task runs."""
    (plain, _), (ran, first), (again, second) = pages(pair, text)

    assert ran[-1] == plain[-1]
    assert again[-1] == plain[-1]
    assert outcomes([first[-1], second[-1]]) in ([None, None], [UNCACHED, UNCACHED])


#: name: (notebook, what the last badge says); its last cell cannot be shown again
UNKEPT = {
    "a widget": ("import ipywidgets as w\ndisplay(w.IntSlider())", "shows a widget, which lives in the kernel"),
    "a widget as the last expression": ("# plain\nimport ipywidgets as w\n---\nw.IntSlider()", "shows a widget"),
    "a widget that is only made": ("# plain\nimport ipywidgets as w\n---\ns = w.IntSlider()", "s"),
    "a widget that is thrown away": ("# plain\nimport ipywidgets as w\n---\nw.IntSlider().close()\nx = 1", "uses a widget"),
    "a widget's value": ("# plain\nimport ipywidgets as w\ns = w.IntSlider()\n---\ns.value = 5", "s"),
    "an output widget": ("# plain\nimport ipywidgets as w\no = w.Output()\n---\nwith o:\n    print('captured')", "o"),
    "tqdm.notebook": ("from tqdm.notebook import tqdm\nfor i in tqdm(range(3)):\n    pass", "widget"),
    "tqdm.auto": ("from tqdm.auto import tqdm\nfor i in tqdm(range(3)):\n    pass", "widget"),
    "a comm": ("from comm import create_comm\nc = create_comm(target_name='x')\nc.close()\ndel c", "uses a widget"),
    "a repr that fails": ("class C:\n    def __repr__(self):\n        return 1 / 0\nC()", "shows an error"),
    "a shell command": ("!echo out", "line 2"),
    "a shell command's errors": ("!echo err >&2", "line 2"),
    "os.system": ("import os\nx = os.system('echo out')", ""),
    "a subprocess": ("import subprocess\nx = subprocess.run(['echo', 'out']).returncode", ""),
    "a bash cell": ("# plain\n1\n---\nget_ipython().run_cell_magic('bash', '', 'echo out')", ""),
    "a thread that goes on": ("import threading, time\ndef late():\n    time.sleep(0.2)\n    print('late')\nt = threading.Thread(target=late)\nt.start()\ndel t\n---\n# plain\nimport time\ntime.sleep(0.3)", "leaves a thread running"),
    "a timer": ("import threading\nthreading.Timer(0.2, print, ['late']).start()\n---\n# plain\nimport time\ntime.sleep(0.3)", "leaves a thread running"),
    "a task that goes on": ("import asyncio\nasync def late():\n    await asyncio.sleep(0.1)\n    print('late')\nx = 1\nawait asyncio.sleep(0)\n_t = asyncio.ensure_future(late())\ndel _t\n---\n# plain\nawait asyncio.sleep(0.2)", "leaves an asyncio task running"),
    "an older thread's print": ("# plain\nfrom concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\npool.submit(int).result()\n---\nx = pool.submit(print, 'in pool').result()", ""),
    "a print by a helper's thread": ("# plain\nfrom concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\npool.submit(int).result()\nget_ipython()._pool = pool\ndel pool\ndef say():\n    from IPython import get_ipython\n    return get_ipython()._pool.submit(print, 'in pool').result()\n---\nx = say()", "shows what a thread from before it prints"),
    "the pager": ("len?", "opens the pager"),
    "the next input": ("get_ipython().set_next_input('x = 1')", ""),
}  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), UNKEPT.values(), ids=UNKEPT)
def test_not_shown_again(pair, text, reason):
    """A cell whose looks need this kernel runs each time, and its badge says why."""
    (plain, _), (ran, first), (again, second) = pages(pair, text)

    tasks = [i for i, source in enumerate(cells_of(text)) if source[:7] != "# plain"]
    assert ran == plain
    assert again == plain
    assert first[tasks[-1]].startswith(UNCACHED)
    assert second[tasks[-1]].startswith(UNCACHED)
    assert reason in first[tasks[-1]]


def test_a_warning_that_was_shown(pair):
    """Python's rule of showing a library's warning once is kept up by cell tasks."""
    kernel, _ = pair
    kernel(
        # Tests before this one may have switched warnings off.
        "import warnings\nwarnings.resetwarnings()\n"
        "import types\nlib = types.ModuleType('lib')\n"
        "code = 'import warnings\\ndef old():\\n    warnings.warn(\"old\")'\n"
        "exec(compile(code, 'lib.py', 'exec'), vars(lib))"
    )
    first = kernel("lib.old()")
    kernel("%%task\nx = 'between'")

    second = kernel("lib.old()")

    assert "UserWarning: old" in first.text("stderr")
    assert second.text("stderr") == ""


def test_live(pair, tmp_path, until):
    """What a cell task prints arrives while it runs."""
    kernel, _ = pair
    go = tmp_path / "go"
    sent = kernel.client.execute(
        f"%%task\nimport pathlib, time\nprint('first', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists():\n    time.sleep(0.01)\n"
        "print('second')"
    )
    seen = []
    while "first\n" not in seen:
        message = kernel.loop.run_until_complete(kernel.client.get_iopub_msg(timeout=9))
        seen.append(message["content"].get("text"))
    go.touch()

    assert kernel.wait(sent).stdout == "second\n"


FLOOD = """
for _ in range({megabytes} * 100):
    print('x' * 9_999)
"""


def test_a_flood_of_text(pair):
    """Of very much text all is shown live; the beginning is kept, which the kept one
    says, and memory does not grow with the rest.
    """
    kernel, other = pair
    kernel(
        "import resource\npeak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
    )
    plain = kernel(FLOOD.format(megabytes=60))
    before = int(kernel("peak()").result)

    first = kernel(f"%%task\n{FLOOD.format(megabytes=60)}")
    grown = int(kernel("peak()").result) - before
    second = other(f"%%task\n{FLOOD.format(megabytes=60)}")

    assert first.stdout == plain.stdout
    assert outcomes([first.badge, second.badge]) == [MISS, HIT], first.badge
    assert len(second.stdout) < 10_000_100
    assert second.stdout.endswith("[nborch: further text was not kept]\n")
    assert grown < 250_000  # KiB


def test_compiled_code_prints(new_kernel, monkeypatch, tmp_path):
    """What is written to the kernel's file descriptor is kept like a print."""
    # Kernels under pytest do not read their own descriptors; all others do.
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    kernel = new_kernel()
    kernel.start_over(tmp_path / "home", tmp_path)
    cell = "%%task\nimport os\nfor i in range(100):\n    _n = os.write(1, b'by C\\n')\ndel _n"

    first, second = kernel(cell), kernel(cell)

    assert outcomes([first.badge, second.badge]) == [MISS, HIT]
    assert second.stdout == "by C\n" * 100


def test_debug(pair):
    """``%debug`` after a cell task's error stands in the cell, not in the engine."""
    kernel, _ = pair
    kernel("%%task\ninner = 5\n1 / 0")

    frames = kernel(
        "import sys, traceback\n"
        "[f.name for f in traceback.extract_tb(sys.last_traceback)][1:]"
    )

    assert frames.result == "['<module>']"


def test_time_and_capture(pair):
    """``%%time`` and ``%%capture`` above a cell task see a hit as they see a run."""
    kernel, other = pair
    cell = "%%capture shown\n%%time\n%%task\nprint('in')\ndisplay('out')\n'last'"
    kernel(cell)

    other(cell)

    assert "in\n" in other("shown.stdout").result.replace("\\n", "\n")
    assert other("[str(o.data['text/plain'])[:6] for o in shown.outputs]").result == (
        "[\"'out'\", \"'last'\", 'cached']"
    )
