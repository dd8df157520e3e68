"""What a hit leaves behind where values are more than data: parts, views, functions."""

import importlib.util
import sys
from pathlib import Path

import pytest


def _shells():
    if "shells" in sys.modules:
        return sys.modules["shells"]
    path = Path(__file__).with_name("shells.py")
    spec = importlib.util.spec_from_file_location("shells", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["shells"] = module
    spec.loader.exec_module(module)
    return module


shells = _shells()

HIT, RUN = "cached", "uncached"


@pytest.fixture
def replayed(home, tmp_path, monkeypatch):
    """Return what three sessions see: without nborch, with it, and after a restart."""
    monkeypatch.chdir(tmp_path)
    opened = []

    def replay(before, cell, look):
        seen = []
        for nborch in (False, True, True):
            shell = shells.Shell(tmp_path, nborch=nborch)
            opened.append(shell)
            for each in before.split("\n---\n"):
                assert shell(each).error is None
            ran = shell(f"%%task\n{cell}" if nborch else cell)
            looked = shell(look.replace("; ", "\n"))
            assert looked.error is None, looked
            badge = ran.badge or {}
            shown = [part for part in ran.parts if part[0] == "display"]
            told = [part for part in looked.parts if part[0] == "stdout"]
            seen.append((badge.get("outcome"), badge.get("reason"), shown, told))
            shell.close()
        return seen

    yield replay
    for shell in opened:
        shell.close()


NUMPY = "import numpy as np\na = np.arange(12.0)"
TABLE = NUMPY.replace("a =", "raw =") + (
    "\nimport pandas as pd\n"
    "f = pd.DataFrame({'a': [1.0, 2.0], 'b': ['x', 'y'], 'c': [3, 4]})"
)
OBJECT = "class C:\n    def __init__(self, v): self.v = v\nc = C([1])"

#: name: (what runs before, the cell, what looks, the outcome of the second run)
CASES = {
    # What outputs share with inputs.
    "an item": ("x = [[1], [2]]", "y = x[0]", "y.append(9); x, y is x[0]", HIT),
    "an item of an item": ("x = {'a': [([1],)]}", "y = x['a'][0][0]", "y.append(9); x", HIT),
    "an attribute": (OBJECT, "y = c.v", "y.append(9); c.v", HIT),
    "an input inside": ("x = [1]", "y = {'k': x, 'n': (x, 2)}", "x.append(9); y", HIT),
    "an input inside an object": (OBJECT + "\nx = [1]", "d = C(x)", "x.append(9); d.v is x, d.v", HIT),
    "parts of two inputs": ("x = [[1]]; z = {'k': [2]}", "y = [x[0], z['k']]", "y[0].append(9); y[1].append(8); x, z", HIT),
    "a part with two names": ("p = [1]; x = [p]; z = [p]", "y = [x[0], z[0]]", "y[0] is y[1] is p, y", HIT),
    "under an odd key": ("x = {(1, 2): [1], 2.5: [2]}", "y = list(x.values())", "y[1].append(9); x", HIT),
    "an item of a named tuple": ("from collections import namedtuple\nP = namedtuple('P', 'a')\nx = P([1])", "y = x.a", "y.append(9); x.a", HIT),
    "a deque's item": ("from collections import deque\nx = deque([[1]])", "y = x[0]", "y.append(9); x[0]", HIT),
    "a default's item": ("from collections import defaultdict\nx = defaultdict(list, k=[1])", "y = x['k']", "y.append(9); x['k'], y is x['k']", HIT),
    "the values of a dict": ("x = {'a': [1], 'b': [2]}", "y, z = x.values()", "y.append(9); x", HIT),
    "a sorted list of parts": ("x = [[2], [1]]", "y = sorted(x)", "y[0].append(9); x", HIT),
    "a set of objects": (OBJECT, "y = {c}", "next(iter(y)) is c", HIT),
    "a member of a set": (OBJECT + "\ns = {c}\ndel c", "y, = s", "y.v.append(9); [m.v for m in s]", RUN),
    "an object's odd state": ("class C:\n    def __init__(self, v): self.v = v\n    def __getstate__(self): return {'v': self.v}\nc = C([1])", "y = c.v", "y.append(9); c.v", RUN),
    "what a function returns": ("x = [1]\ndef f(): return x", "y = f()", "y.append(9); x, y is x", HIT),
    "what a closure holds": ("def make():\n    rows = [1]\n    return lambda: rows\nf = make()", "y = f()", "y.append(9); f()", RUN),
    "what a default holds": ("def f(rows=[1]): return rows", "y = f()", "y.append(9); f()", RUN),
    "what a class holds": ("class C:\n    rows = [1]", "y = C.rows", "y.append(9); C.rows", HIT),
    "a bound method": (OBJECT + "\nrows = []", "y = rows.append", "y(1); rows", HIT),
    "a cycle": ("x = []\nx.append(x)", "y = [x]", "y[0] is x, x[0] is x", HIT),
    "a chained map": ("from collections import ChainMap\nx = {'a': 1}", "y = ChainMap({}, x)", "x['b'] = 2; y['b']", HIT),
    "a proxy": ("from types import MappingProxyType\nx = {'a': 1}", "y = MappingProxyType(x)", "x['b'] = 2; y['b']", RUN),
    "a view of bytes": ("x = bytearray(b'abc')", "y = memoryview(x)", "x[0] = 122; bytes(y)", RUN),
    "an equal copy": ("x = [[1]]", "y = [list(p) for p in x]", "y[0].append(9); x, y", HIT),
    # Memory.
    "a slice": (NUMPY, "v = a[2:5]", "v[:] = 1; a.tolist(), v.base is a", HIT),
    "a strided view": (NUMPY, "v = a.reshape(3, 4)[::2, ::-1].T", "v[:] = 1; a.tolist(), v.shape, v.strides", HIT),
    "a view of another dtype": (NUMPY, "v = a.view('i4')", "v[:] = 1; a.tolist()", HIT),
    "a view of a date": ("import numpy as np\na = np.array(['2020', '2021'], 'M8[s]')", "v = a[1:]", "v[:] = '1999'; a.tolist()", HIT),
    "a view in a dict": (NUMPY + "\nd = {'a': a}", "v = [d['a'][1:], a[:2]]", "v[0][:] = 1; v[1][:] = 2; a.tolist()", HIT),
    "a view of a view": (NUMPY + "\nb = a[2:8]", "v = b[1:3]", "v[:] = 1; a.tolist(), v.base is a", HIT),
    "a view of every second": (NUMPY + "\nb = a[::2]", "v = b[1:3]", "v[:] = 1; a.tolist()", RUN),
    "a read-only view": (NUMPY, "v = a[:2]\nv.flags.writeable = False", "v.flags.writeable, a.flags.writeable, (a.__setitem__(0, 7), v.tolist())", HIT),
    "a broadcast view": (NUMPY, "v = np.broadcast_to(a[:2], (3, 2))", "a.__setitem__(0, 7); v.tolist(), v.flags.writeable", HIT),
    "a whole array": (NUMPY, "v = a[...]", "v[0] = 7; a.tolist(), v is a, v.base is a", HIT),
    "a ravel that copies": (NUMPY, "v = a.reshape(3, 4).T.ravel()", "v[0] = 7; a.tolist()", HIT),
    "a view of objects": ("import numpy as np\na = np.array([[1], None], object)", "v = a[:1]", "v[0] = 7; a.tolist()", RUN),
    "items of objects": ("import numpy as np\na = np.array([[1], None], object)", "v = a[0]", "v.append(7); a.tolist()", RUN),
    "a masked view": (NUMPY, "v = np.ma.masked_greater(a, 5, copy=False)", "a.__setitem__(0, 7); v.tolist()", RUN),
    "two views made": ("import numpy as np", "a = np.arange(9.0)\nv = a[3:]\nw = a[::2]", "v[:] = 1; a.tolist(), w.tolist()", HIT),
    "two views and a table made": ("import numpy as np, pandas as pd", "t = pd.DataFrame({'k': [1]})\na = np.arange(9.0)\nv = a[3:]", "v[:] = 1; a.tolist(), v.base is a", HIT),
    "a small array's flags": ("import numpy as np", "v = np.arange(3.0)\nv.flags.writeable = False\nw = np.zeros(20_000)\nw.flags.writeable = False", "v.flags.writeable, w.flags.writeable", HIT),
    # Tables.
    "a column": (TABLE, "s = f['a']", "f.loc[0, 'a'] = 9.0; s.tolist(), f['a'].tolist()", HIT),
    "a column that is written to": (TABLE, "s = f['a']", "s.iloc[0] = 9.0; s.tolist(), f['a'].tolist()", HIT),
    "some columns": (TABLE, "g = f[['a', 'c']]", "g.loc[0, 'a'] = 9.0; f.to_dict(), g.to_dict()", HIT),
    "a table with another index": (TABLE, "g = f.set_index('b')", "f.loc[0, 'a'] = 9.0; g.to_dict()", HIT),
    "a column's memory": (TABLE, "v = f['a'].to_numpy()", "f.iloc[0, 0] = 9.0; v.tolist(), v.flags.writeable", HIT),
    "a made column's memory": (TABLE, "g = pd.DataFrame({'k': [1.0, 2.0], 'l': [3.0, 4.0]})\nv = g['l'].to_numpy()", "g.iloc[0, 1] = 9.0; v.tolist(), v.flags.writeable", HIT),
    "a table of an array": (TABLE, "g = pd.DataFrame(raw.reshape(6, 2), copy=False)", "raw[0] = 9.0; g.iloc[0, 0]", RUN),
    "a list in a cell": (TABLE + "\nf['l'] = [[1], [2]]", "g = f[['l']]", "g['l'][0].append(9); f['l'].tolist()", RUN),
    "a table in a dict": (TABLE, "d = {'f': f}", "f.loc[0, 'a'] = 9.0; d['f'].to_dict(), d['f'] is f", HIT),
    "a group": (TABLE, "g = f.groupby('b')['a'].sum()", "g.to_dict()", HIT),
    "attributes": (TABLE + "\nf.attrs['u'] = 'm'", "g = f.copy()\ng.attrs['v'] = 1", "f.attrs, g.attrs", HIT),
    # Changes in place.
    "held in a dict": ("x = [1]; d = {'k': x}", "x.append(2)", "d, d['k'] is x", HIT),
    "held in a closure": ("x = [1]\nf = (lambda r: lambda: r)(x)", "x.append(2)", "f(), f() is x", HIT),
    "held by the history": ("x = [1]; x", "x.append(2)", "_, x, _ is x", HIT),
    "a part is held": ("x = [[1]]; p = x[0]", "x[0].append(2)", "x, p, p is x[0]", "ran"),
    "with a part of it made": ("x = [[1], [2]]", "x.append(3)\ny = x[0]", "y.append(9); x", HIT),
    "with itself inside": ("x = [1]", "x.append(x)\ny = {'k': x}", "x[1] is x, y['k'] is x", HIT),
    "with another input inside": ("x = [1]; z = [2]", "x.append(z)", "z.append(9); x", HIT),
    "and bound anew": ("x = [1]; same = x", "x.append(2)\nx = 5", "x, same", HIT),
    "and deleted": ("x = [1]; same = x", "x.append(2)\ndel x", "'x' in globals(), same", HIT),
    "of two names": ("x = [1]; z = x", "x.append(2)\nz.append(3)", "x, z is x", HIT),
    "of an object": (OBJECT + "\nd = [c]", "c.w = 3\nc.v.append(2)", "d[0] is c, vars(c)", HIT),
    "of an object's part": (OBJECT + "\nv = c.v", "c.v.append(2)", "v", "ran"),
    "of a default": ("from collections import defaultdict\nx = defaultdict(list); h = [x]", "x['k'].append(1)", "x, h[0] is x, x['new']", HIT),
    "of a counter": ("from collections import Counter\nx = Counter('ab'); h = [x]", "x.update('b')\nx['z'] = 0", "h[0]", HIT),
    "of an ordered dict": ("from collections import OrderedDict\nx = OrderedDict(a=1, b=2); h = [x]", "x.move_to_end('a')", "h[0]", HIT),
    "of a set": ("x = {1}; h = [x]", "x.add(2)", "sorted(h[0])", HIT),
    "of a deque": ("from collections import deque\nx = deque([1, 2], 2); h = [x]", "x.append(3)", "h[0]", HIT),
    "of bytes": ("x = bytearray(b'a'); h = [x]", "x += b'b'", "h[0], h[0] is x", HIT),
    "of a list's class": ("class L(list): pass\nx = L([1]); h = {'x': x}", "x.append(2)", "h, h['x'] is x", "ran"),
    "of an array": (NUMPY + "\nv = a[2:4]; d = {'a': a}", "a *= 2", "v.tolist(), d['a'] is a, a.tolist()", HIT),
    "of a view": (NUMPY + "\nv = a[2:4]", "v *= 2", "a.tolist(), v.base is a", HIT),
    "of a mapped file": ("import numpy as np\nnp.save('m.npy', np.zeros(3))\nm = np.load('m.npy', mmap_mode='r+')", "m[0] = 7\nm.flush()", "np.load('m.npy').tolist(), type(m).__name__", HIT),
    "of a read-only array": (NUMPY + "\na.flags.writeable = False", "try:\n    a[0] = 7\n    y = 1\nexcept ValueError:\n    y = 2", "y, a[0]", HIT),
    "of a text in memory": ("import io\nx = io.StringIO(); same = x", "x.write('abc')", "x.getvalue(), same is x", HIT),
    "of a text in memory that is held": ("import io\nx = io.StringIO(); h = [x]", "x.write('abc')", "h[0].getvalue(), h[0] is x", "ran"),
    "of an array, with a view": (NUMPY, "a *= 2\nv = a[1:3]", "v[:] = 1; a.tolist(), v.base is a", HIT),
    "of a table": (TABLE + "\nd = {'f': f}; g = f[['a']]", "f['n'] = f['a'] * 2\nf.loc[0, 'a'] = 5.0", "d['f'] is f, f.to_dict(), g.to_dict()", HIT),
    "of a table's index": (TABLE, "f.index = ['p', 'q']\nf.index.name = 'i'\nf.attrs['k'] = 1", "f.to_dict(), f.index.name, f.attrs", HIT),
    "of a table, dropping": (TABLE + "\nd = [f]", "del f['a']", "d[0].to_dict()", HIT),
    "of a series": (TABLE + "\ns = f['a'].copy(); d = [s]", "s.iloc[0] = 5.0\ns.name = 'z'", "d[0].to_dict(), d[0].name", HIT),
    "of a generator": ("import numpy as np\nr = np.random.default_rng(1); h = [r]", "y = r.normal(size=3)", "h[0] is r, r.random(), y.tolist()", HIT),
    "of a random object": ("import random\nr = random.Random(1); h = [r]", "y = r.random()", "h[0] is r, r.random(), y", HIT),
    "of a legacy generator": ("import numpy as np\nr = np.random.RandomState(1)", "y = r.rand()", "r.rand(), y", HIT),
    "of a model": ("import numpy as np\nfrom sklearn.linear_model import LinearRegression\nm = LinearRegression(); h = [m]; X = np.arange(6.0).reshape(3, 2)", "m.fit(X, [1, 2, 3])", "h[0] is m, m.predict(X).round(6).tolist()", HIT),
    "of a polars table": ("import polars as pl\nt = pl.DataFrame({'a': [1]})", "t.insert_column(0, pl.Series('b', [2]))", "t.to_dict(as_series=False)", HIT),
    "of a polars table that is held": ("import polars as pl\nt = pl.DataFrame({'a': [1]}); h = [t]", "t.insert_column(0, pl.Series('b', [2]))", "h[0].to_dict(as_series=False), h[0] is t", HIT),
    # Functions.
    "a lambda": ("k = 10", "y = [lambda v: v + k]", "k = 20; y[0](1)", HIT),
    "a closure": ("k = 10\ndef make(n):\n    return lambda v: v + n + k", "f = make(3)", "k = 20; f(1), f.__name__, f.__qualname__, f.__module__", HIT),
    "a closure that counts": ("def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n        return n\n    def get(): return n\n    return up, get", "up, get = make()\nup()", "up(); get(), up.__closure__[0] is get.__closure__[0]", HIT),
    "a recursive closure": ("def make():\n    def f(n): return n and f(n - 1) + 1\n    return f", "f = make()", "f(4), f.__closure__[0].cell_contents is f", HIT),
    "a closure over an input": ("def make(rows):\n    return lambda: rows\nx = [1]", "f = make(x)", "x.append(9); f()", HIT),
    "a closure of the cell": ("", "def make(n):\n    return lambda v: v + n\nf = make(3)\ng = [make(4)]", "f(1), g[0](1)", HIT),
    "a partial": ("from functools import partial\ndef add(a, b): return a + b", "f = partial(add, 2)", "f(3), f.func is add", HIT),
    "a partial of a lambda": ("from functools import partial\nk = 1", "f = partial(lambda a, b: a + b + k, 2)", "k = 5; f(3)", HIT),
    "a sorting key": ("", "key = {'by': lambda v: -v, 'n': 3}", "sorted([1, 2], key=key['by'])", HIT),
    "a function's defaults": ("def make(n):\n    def f(a, *, b=[n]) -> int:\n        'doc'\n        return a, b\n    f.note = n\n    return f", "f = make(3)", "f(1), f.__doc__, f.__annotations__, f.note, f.__kwdefaults__", HIT),
    "a decorated function": ("import functools\ndef twice(f):\n    @functools.wraps(f)\n    def inner(*a): return f(*a) * 2\n    return inner\ndef one(): return k\nk = 1", "g = twice(one)", "k = 4; g(), g.__wrapped__ is one, g.__name__", HIT),
    "a method of an object": (OBJECT + "\nC.get = lambda self: self.v", "m = C([5]).get", "m(), type(m.__self__) is C", HIT),
    "a function that was there": ("def f(): return 1", "d = {'f': f, 'g': [f]}", "d['f'] is f, d['g'][0] is f", HIT),
    "a lambda that was there": ("f = lambda: 1\nd = {'f': f}", "y = d['f']\nz = [d['f']]", "y is f, z[0] is f", HIT),
    "a lambda's source": ("def make(n):\n    return lambda v: v + n", "f = make(3)", "__import__('inspect').getsource(f)", HIT),
    "a library's closure": ("import operator", "f = operator.itemgetter(1)\ng = operator.methodcaller('upper')", "f([1, 2]), g('a')", HIT),
    "a module": ("import os", "p = os.path", "p is os.path", HIT),
    "a class by name": ("import decimal", "D = decimal.Decimal\nk = {'t': int}", "D is decimal.Decimal, k['t'] is int", HIT),
    "a class made": ("def make():\n    class K: pass\n    return K", "K = make()", "K.__name__", RUN),
    # Large and small outputs.
    "large and apart": ("", "a = [[i] for i in range(2000)]\nb = [1]\nc = {'b': b}", "a[-1], c['b'] is b, len(a)", HIT),
    "large and tied": ("", "a = [[i] for i in range(2000)]\nb = a[7]", "a[7] is b, len(a)", HIT),
    "two large": ("", "a = [[i] for i in range(2000)]\nb = {i: [i] for i in range(2000)}\nc = a", "a is c, len(a), len(b)", HIT),
    # What cannot be stored, and is made again.
    "a lock": ("import threading", "lock = threading.Lock()\ny = 1", "lock.acquire(), y", HIT),
    "a lock by name": ("", "from threading import Lock\nlock = Lock()", "lock.acquire()", HIT),
    "a lock that is held": ("import threading", "lock = threading.Lock()\nlock.acquire()", "lock.locked()", RUN),
    "a lock twice": ("import threading", "lock = threading.Lock()\nlocks = [lock]", "locks[0] is lock", RUN),
    "a generator": ("rows = [1, 2]", "g = (r * 2 for r in rows if r)", "rows.append(3); list(g)", HIT),
    "an iterator": ("rows = [1, 2]", "it = iter(rows)\nn = len('ab')", "rows.append(3); list(it), n", HIT),
    "an iterator of an output": ("", "rows = [1, 2]\nit = iter(rows)", "rows.append(3); list(it)", HIT),
    "an iterator of a changed input": ("rows = [1, 2]", "rows.append(7)\nit = iter(rows)", "list(it)", HIT),
    "a connection": ("import sqlite3", "db = sqlite3.connect(':memory:')", "db.execute('select 1').fetchone(), db.close()", HIT),
    "an open file": ("from pathlib import Path\nPath('t.txt').write_text('abc')", "file = open('t.txt')\ny = 2", "file.read(), file.close()", HIT),
    "a pool": ("from concurrent.futures import ThreadPoolExecutor", "pool = ThreadPoolExecutor(2)", "pool.submit(len, 'ab').result(), pool.shutdown()", HIT),
    "a user's generator": ("def f():\n    yield 1", "g = f()", "list(g)", RUN),
    # The value that is shown last.
    "shown: an input": ("x = [1]", "x", "_ is x", HIT),
    "shown: a part": ("x = [[1]]", "y = [2]\n[x[0], y]", "_[0] is x[0], _[1] is y", HIT),
    "shown: a part of an output": ("", "y = {'k': [1]}\ny['k']", "_ is y['k']", HIT),
    "shown: a large input": (NUMPY, "a", "_ is a", HIT),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_a_hit_leaves(replayed, case):
    """A restored cell leaves its names tied to the older ones as running it does."""
    *cell, outcome = case

    plain, ran, again = replayed(*cell)

    assert plain[3] == ran[3] == again[3], (ran, again)
    assert plain[2] == ran[2] == again[2]
    assert again[0] == outcome, again
    assert ran[0] == ("uncached" if outcome == RUN else "ran"), ran


def test_equal_parts_are_stored_once(replayed, tmp_path):
    """A large output that is the same in two results takes its place once."""
    big = "big = [{'number': i, 'text': str(i)} for i in range(5000)]\n"

    def files():
        return {file.name for file in tmp_path.rglob("cas/*/*")}

    replayed("", f"{big}small = [1]", "small")
    first = files()
    replayed("", f"{big}small = [2]", "small")

    assert len(first) == 1
    assert files() == first


def test_a_read_only_input_is_another_input(replayed):
    """What a cell did to an array that it could not write to is done to no other."""
    cell = "try:\n    a[0] = 7\n    y = 1\nexcept ValueError:\n    y = 2"
    replayed(f"{NUMPY}\na.flags.writeable = False", cell, "y")

    plain, ran, _ = replayed(NUMPY, cell, "y, a[0]")

    assert ran[0] == "ran"
    assert ran[3] == plain[3]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_real_kernels(kernel, other):
    """Parts, views, functions and changes in place come back in another kernel, too."""
    before = (
        "import inspect, numpy as np, threading\na = np.arange(9.0)\nrows = [[1]]\n"
        "held = {'rows': rows}\ndef make(n):\n    return lambda v: v + n"
    )
    cell = (
        "%%task\nv = a[2:4]\nf = make(3)\np = rows[0]\nrows.append(2)\n"
        "lock = threading.Lock()"
    )
    look = (
        "v[0] = 7\n[a.tolist(), v.base is a, f(1), inspect.getsource(f),"
        " p is rows[0], held['rows'] is rows, rows, lock.acquire(False)]"
    )
    for each in (kernel, other):
        each(before)
    first = kernel(cell), kernel(look).result

    second = other(cell), other(look).result

    assert (first[0].outcome, second[0].outcome) == ("ran", HIT)
    assert first[1] == second[1]
    assert "lambda v: v + n" in second[1]
