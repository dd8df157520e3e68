"""The table of the 117 cases: what each one is, and what checks it."""

import importlib.util
import sys
from pathlib import Path


def _words():
    if "catalogue" not in sys.modules:
        path = Path(__file__).with_name("catalogue.py")
        spec = importlib.util.spec_from_file_location("catalogue", path)
        sys.modules["catalogue"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["catalogue"]


_w = _words()
Covered, NotHere, Reads, case = _w.Covered, _w.NotHere, _w.Reads, _w.case
cell, ran, hit, uncached, again = _w.cell, _w.ran, _w.hit, _w.uncached, _w.again
task, silent, fails, sees, write = _w.task, _w.silent, _w.fails, _w.sees, _w.write
restart, script, twice, edited = _w.restart, _w.script, _w.twice, _w.edited
told_apart, taken_as_one, after = _w.told_apart, _w.taken_as_one, _w.after

TASKS = "integration/test_cell_tasks.py"
FAULTS = "integration/test_cell_faults.py"
RESULTS = "integration/test_results_faults.py"
PRINTS = "unit/test_fingerprints.py"

# --- names and scopes ---------------------------------------------------------------

NAMES = {
    1: case("A name that is read before it is bound is input and output.",
        Reads("x = x + 1", "x", "x"), Reads("x += 1", "x", "x"),
        script(cell("x = 1"), ran("x = x + 1"), sees("x", "2"), ran("x = x + 1"), sees("x", "3"), cell("x = 1"), hit("x = x + 1"), sees("x", "2"))),
    2: case("A loop variable is no input, unless it is read and the loop may not run.",
        Reads("for i in range(3): print(i)", maybe="i"), Reads("for k in d: pass\nprint(k)", "d k", maybe="k"),
        script(cell("k = 'old'; d = []"), ran("for k in d: pass\ny = k"), cell("k = 'new'"), ran("for k in d: pass\ny = k"), sees("y", "'new'"))),
    3: case("The targets of comprehensions do not leak, and the first iterable is outside.",
        Reads("z = [x for x in x]", "x", "z"),
        script(cell("x = [1]; v = 5"), ran("z = [v for v in x]"), sees("v, z", "(5, [1])"), cell("v = 6"), hit("z = [v for v in x]"), sees("v", "6"))),
    4: case("A walrus binds in the cell, and only perhaps.",
        Reads("z = [q := v for v in vs]\nprint(q)", "vs q", "z", "q"), Reads("p and (q := 1)", "p", "", "q"),
        script(cell("vs = []; q = 'old'"), ran("z = [q := v for v in vs]"), cell("q = 'mine'"), hit("z = [q := v for v in vs]"), sees("q", "'mine'"))),
    5: case("What both branches bind is bound; what one binds is an input too, if it is read.",
        Reads("if c: x = 1\nelse: x = 2\nprint(x)", "c", "x"), Reads("if c: x = 1\nprint(x)", "c x", "", "x"), Reads("if c: x = 1\nelse: raise E\nprint(x)", "c E", "x"),
        script(cell("c = False; x = 1"), ran("if c: x = 0\ny = x"), cell("x = 2"), ran("if c: x = 0\ny = x"), sees("y", "2"))),
    6: case("An import or another import binds the name; the exception's name is unbound.",
        Reads("try: import a\nexcept ImportError: import b as a", "", "a"), Reads("try: f()\nexcept Exception as e: print(e)", "f", deletes="e"),
        twice("", "try:\n    import nowhere as j\nexcept ImportError as e:\n    import json as j\ny = j.dumps(1)", "j.__name__, 'e' in globals(), y", "('json', False, '1')")),
    7: case("with, match, unpacking and except* bind names.",
        Reads("with open(p) as f: x = f", "p", "f x"), Reads("(a, (b, *c)), d.e = f", "d f", "a b c"), Reads("try: f()\nexcept* A as e: x = 1", "f A", "", "x", "e"), Reads("match p:\n case [a, *b]: pass", "p", "", "a b"),
        twice("p = {'k': [1, 2, 3]}", "match p:\n    case {'k': [a, *b]}:\n        pass", "a, b", "(1, [2, 3])")),
    8: case("What an endless loop binds before it breaks is bound.",
        Reads("while True:\n v = 1\n break\nprint(v)", "", "v"),
        script(cell("v = 0"), ran("while True:\n    v = 1\n    break\ny = v"), cell("v = 9"), hit("while True:\n    v = 1\n    break\ny = v"), sees("v", "1"))),
    9: case("Defaults are read at once, bodies when something may call them.",
        Reads("def f(a, b=k): return a", "k", "f"), Reads("def f(): return q\nf(); q = 1", "q", "f q"), Reads("def f(): return h()\ndef h(): return 1\nf()", "", "f h"),
        script(cell("q = 1"), ran("def f(): return q\ny = f()\nq = 0"), cell("q = 2"), ran("def f(): return q\ny = f()\nq = 0"), sees("y", "2"))),
    10: case("What only the body of an uncalled function reads is an input of who calls it.",
        Reads("def f(): return q", "", "f"),
        script(cell("q = 1"), ran("def f(): return q"), ran("y = f()"), cell("q = 2"), hit("def f(): return q"), ran("y = f()"), sees("y", "2"))),
    11: case("A global that a called function counts is input and output.",
        Reads("def f():\n global n\n n += 1\nf()", "n", "f n"),
        script(cell("n = 1"), again("def f():\n    global n\n    n += 1\nf()"), sees("n", "2"), again("def f():\n    global n\n    n += 1\nf()"), sees("n", "3"))),
    12: case("A class body runs now, its methods later, and its names do not leak.",
        Reads("class A:\n x = y\n z = [x for _ in w]", "y w x", "A"), Reads("class A:\n def m(self): return x", "", "A"),
        twice("x = 'global'", "class A:\n    x = 'own'\n    def m(self): return x\ny = A().m()", "y, x, A.x", "('global', 'global', 'own')")),
    13: case("A lambda's default is read now, its body when it is called.",
        Reads("f = lambda a=k: a", "k", "f"), Reads("list(map(lambda v: v * w, xs))", "w xs"),
        script(cell("w = 2; xs = [1]"), ran("y = list(map(lambda v: v * w, xs))"), cell("w = 3"), ran("y = list(map(lambda v: v * w, xs))"), sees("y", "[3]"))),
    14: case("Decorators, bases, keywords and annotations are read.",
        Reads("@deco\ndef f(a: T): pass", "deco T", "f"), Reads("class A(B, metaclass=M): pass", "B M", "A"), Reads("from __future__ import annotations\ndef f(a: A): pass", "", "annotations f")),
    15: case("A deleted name is gone after a hit, too; a temporary leaves nothing.",
        Reads("del x", "x", deletes="x"), Reads("x = 1\ndel x", deletes="x"),
        twice("x = 1", "y = x\ndel x", "'x' in globals(), y", "(False, 1)"), twice("", "t = 1\ny = t\ndel t", "'t' in globals(), y", "(False, 1)")),
    16: case("An annotation alone binds nothing.",
        Reads("x: int"), Reads("x: int = 3", "", "x"),
        script(cell("x = 'old'"), ran("x: int\ny = 1"), sees("x", "'old'"), hit("x: int\ny = 1"), sees("x", "'old'"))),
    17: case("Who is stored into is an input that may change.",
        Reads("a = b = c", "c", "a b"), Reads("d['k'] = v\no.attr = v", "d o v"),
        twice("d = {}", "d['k'] = 1", "d", "{'k': 1}"),
        twice("class O: pass\no = O()", "o.attr = [1]", "o.attr, type(o) is O", "([1], True)")),
    18: case("Names in f-strings, type aliases and positional-only parameters count.",
        Reads("f'{a:{b}} {c!r}'", "a b c"), Reads("def f(a, /, b=k): return a", "k", "f"), Covered("unit/test_analysis.py::test_reads_and_writes[type alias]"),
        script(cell("w = 3; v = 1"), ran("y = f'{v:{w}}'"), cell("w = 4"), ran("y = f'{v:{w}}'"), sees("y", "'   1'"))),
    19: case("A dotted import binds its first name; a star import is executed again.",
        Reads("import a.b.c", "", "a"), twice("", "import os.path\ny = os.path.join('a', 'b')", "os.__name__, y", "('os', 'a/b')"),
        script(task("from math import *\ny = floor(1.5)"), restart(), task("from math import *\ny = floor(1.5)"), sees("floor(2.5), y", "(2, 1)"))),
    20: case("What reaches names by their text is run, and said.",
        *(script(uncached(body, word), uncached(body, word)) for body, word in [("exec('y = 1')", "exec"), ("y = eval('1')", "eval"), ("globals()['y'] = 1", "globals"), ("y = len(locals())", "locals"), ("get_ipython().user_ns['y'] = 1", "user_ns")]),
        Covered("unit/test_analysis.py::test_dynamic")),
    21: case("A builtin is an input once the session shadows it.",
        script(ran("y = len('abc')"), cell("len = lambda text: 0"), ran("y = len('abc')"), sees("y", "0"), cell("del len"), hit("y = len('abc')"), sees("y", "3"))),
    22: case("The shell's history is never an input that is silently cached.",
        *(script(cell("1 + 1"), uncached(body, word)) for body, word in [("y = _", "'_'"), ("y = Out", "'Out'"), ("y = In[-1]", "'In'"), ("y = _ih", "'_ih'")])),
    23: case("A name with an underscore is a name like any other.",
        twice("", "_tmp = [4]", "_tmp", "[4]"), script(cell("_tmp = 1"), ran("y = _tmp"), cell("_tmp = 2"), ran("y = _tmp"), sees("y", "2"))),
    24: case("A name that this run did not bind is left alone by a hit.",
        script(cell("c = False; w = 'old'"), ran("if c:\n    w = 'new'\ny = 1"), cell("w = 'mine'"), hit("if c:\n    w = 'new'\ny = 1"), sees("w", "'mine'"))),
    25: case("A name that is nowhere defined is the cell's own NameError.",
        script(fails("%%task\ny = nowhere", "NameError: name 'nowhere' is not defined"), cell("nowhere = 1"), ran("y = nowhere"), sees("y", "1"))),
}  # fmt: skip

# --- identity of code ---------------------------------------------------------------

CODE = {
    26: case("Comments, blank lines and layout do not count.",
        edited("cached", ("y = 1 + 2", "\n\n# why\ny = (1\n     + 2)  # so"), ("z = [1, 2]", "z = [\n  1, 2,\n]"), ("w = 'a'", 'w = "a"'))),
    27: case("Options that do not change the result do not count.",
        script(ran("y = 1", header="%%task a"), hit("y = 1", header="%%task b"), hit("y = 1", header="%%task a --retries 2"), hit("y = 1", header="%%task a --timeout 60"), hit("y = 1", header="%%task a --tags x")),
        script(cell("x = 1"), ran("y = 27", header="%%task a"), ran("y = 27", header="%%task a --needs x"), cell("x = 2"), ran("y = 27", header="%%task a --needs x"), hit("y = 27", header="%%task a --needs x"))),
    28: case("A literal of another type is another cell.",
        edited("ran", ("y = 1", "y = '1'"), ("y = 1.0", "y = True"), ("y = (1,)", "y = [1]"), ("y = 0.0", "y = -0.0"), ("y = b'a'", "y = 'a'"), ("y = {1}", "y = {1: 1}"), ("y = 1j", "y = 1.5"))),
    29: case("Another name of a local variable is right either way.",
        script(ran("def f(a): return a\ny = f(1)"), task("def f(b): return b\ny = f(1)"), sees("f(b=2), y", "(2, 1)"))),
    30: case("A docstring counts.",
        edited("ran", ("def f():\n    'a'\ny = 1", "def f():\n    'b'\ny = 1")),
        script(cell("def f():\n    'a'"), ran("y = f.__doc__"), cell("def f():\n    'b'"), ran("y = f.__doc__"), sees("y", "'b'"))),
    31: case("A helper that changed counts for all who use it, however far; an unused one does not.",
        after("ran", "y = f(1)", ("def f(v): return g(v)\ndef g(v): return h(v)\ndef h(v): return v", "def h(v): return -v")),
        after("cached", "y = f(1)", ("def f(v): return v\ndef g(v): return 1", "def g(v): return 2")), Covered(f"{TASKS}::test_what_changes[a helper of a helper]")),
    32: case("A local module counts by its code, two imports deep.",
        script(write("deep5.py", "K = 1\n"), write("mid5.py", "import deep5\ndef f(): return deep5.K\n"), cell("import sys\nsys.path.insert(0, '')"), ran("import mid5\ny = mid5.f()"), hit("import mid5\ny = mid5.f()"),
            write("deep5.py", "K = 1 + 1\n"), restart(), cell("import sys\nsys.path.insert(0, '')\nfor m in ('deep5', 'mid5'): sys.modules.pop(m, None)"), ran("import mid5\ny = mid5.f()"), sees("y", "2")),
        Covered(f"{TASKS}::test_a_local_module"), Covered("unit/test_code_digests.py::test_libraries_are_known_by_distribution_and_version")),
    33: case("A module's loaded code counts, not its file.",
        script(write("edit33.py", "def f(): return 1\n"), cell("import sys\nsys.path.insert(0, '')\nsys.modules.pop('edit33', None)\nimport edit33"), ran("y = edit33.f()"),
            write("edit33.py", "def f(): return 1 + 1\n"), hit("y = edit33.f()"), sees("y", "1"),
            cell("import importlib\nsys.dont_write_bytecode = True\n_ = importlib.invalidate_caches()\n_ = importlib.reload(edit33)"), ran("y = edit33.f()"), sees("y", "2")),
        Covered("unit/test_code_digests.py::test_an_edited_file_counts_when_it_is_loaded")),
    34: case("Helpers that call each other have a digest all the same.",
        script(cell("def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n > 0 and even(n - 1)"), ran("y = even(4)"), hit("y = even(4)"), cell("def odd(n): return n > 1 and even(n - 1)"), ran("y = even(4)")),
        Covered("unit/test_code_digests.py::test_a_digest_does_not_depend_on_where_a_cycle_is_entered")),
    35: case("What a function holds counts: closure, defaults, partial arguments, its self.",
        after("ran", "y = f(1)", ("def make(k):\n    return lambda v: v + k\nf = make(1)", "f = make(2)"), ("def f(v, k=1): return k", "def f(v, k=2): return k"), ("def f(v, *, k=1): return v", "def f(v, *, k=3): return v"),
            ("import functools\ndef g(k, v): return k\nf = functools.partial(g, 1)", "f = functools.partial(g, 2)"), ("class C:\n    def __init__(self, k): self.k = k\n    def m(self, v): return self.k\nf = C(1).m", "f = C(2).m"))),
    36: case("A decorator without wraps does not hide what it decorates.",
        after("ran", "y = f(1)", ("def deco(g):\n    def inner(v): return g(v)\n    return inner\n@deco\ndef f(v): return v", "@deco\ndef f(v): return -v"))),
    37: case("Methods count by the whole family: bases, slots, properties, attributes.",
        after("ran", "y = C().m()", ("class B:\n    k = 1\nclass C(B):\n    def m(self): return self.k", "class B:\n    k = 2\nclass C(B):\n    def m(self): return self.k"),
            ("class C:\n    @property\n    def k(self): return 3\n    def m(self): return self.k", "class C:\n    @property\n    def k(self): return 4\n    def m(self): return self.k"),
            ("class C:\n    __slots__ = ('k',)\n    def m(self): return 5", "class C:\n    __slots__ = ('k', 'l')\n    def m(self): return 5"))),
    38: case("A library's function that the user replaced is not seen through the library's name.",
        NotHere("A library counts by its version. A cell that sets an attribute of a module is never kept, so that the replacing itself is done each time; what the replaced function does to later cells is documented."),
        script(cell("import json"), uncached("json.foo38 = 1", "changes the module 'json'"), cell("del json.foo38"))),
    39: case("Another minor version of Python is another key.", Covered("unit/test_code_digests.py::test_a_key_depends_on_each_ingredient_and_on_no_order")),
    40: case("Another version of a package counts for the cells that touch it.", Covered("unit/test_code_digests.py::test_another_version_of_a_library_is_another_digest")),
    41: case("Equal cells share what is kept, in two notebooks too.",
        script(ran("y = 41", header="%%task one"), hit("y = 41", header="%%task two"), restart(), hit("y = 41"), sees("y", "41"))),
    42: case("A cell may move and get another id.",
        script(cell("x = 1"), ran("y = x"), restart(), cell("a = 1"), cell("b = 2"), cell("x = 1"), hit("y = x"))),
    43: case("An edit that is taken back hits.",
        script(ran("y = 1"), ran("y = 2"), hit("y = 1"), sees("y", "1")),
        script(write("aba.txt", "a"), ran("y = open('aba.txt').read()"), write("aba.txt", "bb"), ran("y = open('aba.txt').read()"), write("aba.txt", "a"), hit("y = open('aba.txt').read()"), sees("y", "'a'"))),
    44: case("A function without a source counts by its code.",
        after("ran", "y = f(1)", ("exec('def f(v): return v')", "exec('def f(v): return -v')")), after("cached", "y = f(1)", ("exec('def f(v): return v')", "exec('def f(v): return v')"))),
    45: case("Renaming a variable runs the cell, and stops where the values are equal.",
        script(ran("a = [1]"), cell("x = a"), ran("y = sum(x)"), ran("b = [1]"), cell("x = b"), hit("y = sum(x)"))),
}  # fmt: skip

# --- values as inputs ---------------------------------------------------------------

VALUES = {
    46: case("Type, shape, order and labels of arrays and frames count.",
        told_apart(("np.ones(4)", "np.ones(4, 'f4')"), ("np.arange(4)", "np.arange(4).reshape(2, 2)"), ("np.zeros(2, '<i4')", "np.zeros(2, '>i4')"),
            ("pd.DataFrame({'a': [1], 'b': [2]})", "pd.DataFrame({'a': [1], 'c': [2]})"), ("pd.DataFrame({'a': [1], 'b': [2]})", "pd.DataFrame({'b': [2], 'a': [1]})"), ("pd.Series([1], name='a')", "pd.Series([1], name='b')"),
            ("pd.Series([1, 2], index=[0, 1])", "pd.Series([1, 2], index=[0, 2])"), ("pd.Series([1], index=pd.Index([0], name='i'))", "pd.Series([1], index=pd.Index([0], name='j'))"),
            ("pd.Categorical(['a'], ['a', 'b'])", "pd.Categorical(['a'], ['b', 'a'])"), ("pd.Series(pd.to_datetime(['2020-01-01']).tz_localize('UTC'))", "pd.Series(pd.to_datetime(['2020-01-01']).tz_localize('Europe/Paris'))"))),
    47: case("The same values in another layout are the same.",
        taken_as_one(("np.arange(6.).reshape(2, 3)", "np.asfortranarray(np.arange(6.).reshape(2, 3))"), ("np.arange(8)[::2]", "np.array([0, 2, 4, 6])"), ("['ab', 'ab']", "['ab', ''.join(['a', 'b'])]"),
            ("pd.DataFrame({'a': [1.], 'b': [2.]})", "pd.DataFrame(np.array([[1., 2.]]), columns=['a', 'b'])"))),
    48: case("The order of a dict counts.", told_apart(("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"), ("{'k': {'a': 1, 'b': 2}}", "{'k': {'b': 2, 'a': 1}}"))),
    49: case("The order of a set does not, in any process.",
        taken_as_one(("{'a', 'b', 'c'}", "{'c', 'b', 'a'}"), ("(frozenset({'x', 'y'}), 1)", "(frozenset({'y', 'x'}), 1)")), Covered("integration/test_key_stability.py::test_what_a_session_defines_agrees_over_processes")),
    50: case("NaN equals itself; zeros, NaNs and the kinds of nothing are told apart.",
        taken_as_one(("float('nan')", "float('nan')"), ("np.array([np.nan])", "np.array([np.nan])")), told_apart(("0.0", "-0.0"), ("np.array([0.0])", "np.array([-0.0])"), ("pd.NA", "None"), ("pd.NaT", "pd.NA"), ("np.nan", "None"))),
    51: case("Numbers of any size, times, enums, paths and ranges have a content.",
        told_apart(*[(f"{v}({a!r})", f"{v}({b!r})") for v, a, b in [("Decimal", "1", "1.0"), ("Fraction", "1/2", "1/3"), ("Path", "a", "b")]], ("2**70", "2**71"), ("1 + 2j", "1 - 2j"), ("slice(1, 2)", "slice(1, 3)"), ("range(3)", "range(4)"), ("datetime(2020, 1, 1, fold=0)", "datetime(2020, 1, 1, fold=1)"), ("E.A", "E.B"), ("uuid.UUID(int=1)", "uuid.UUID(int=2)"),
            before="import enum, uuid\nfrom datetime import datetime\nfrom decimal import Decimal\nfrom fractions import Fraction\nfrom pathlib import Path\nclass E(enum.Enum):\n    A = 1\n    B = 2")),
    52: case("A subclass is not its base, and equal fields of two classes are not equal.",
        told_apart(("P(1, 2)", "(1, 2)"), ("True", "1"), ("1", "1.0"), ("OrderedDict(a=1)", "dict(a=1)"), ("A(1)", "B(1)"), ("I(1)", "1"),
            before="from collections import OrderedDict, namedtuple\nP = namedtuple('P', 'x y')\nclass I(int): pass\nclass A:\n    def __init__(self, v): self.v = v\nclass B:\n    def __init__(self, v): self.v = v")),
    53: case("Who shares a list counts, if it can change; cycles end.",
        told_apart(("(lambda L: [L, L])([1])", "[[1], [1]]")), taken_as_one(("['ab', 'ab']", "['ab', 'a' + 'b']")),
        script(cell("v = []\nv.append(v)"), ran("y = len(v)"), hit("y = len(v)"))),
    54: case("Sharing of sharing takes no exponential time.",
        script(cell("v = [1]\nfor _ in range(25): v = [v, v]"), ran("y = len(v)"), hit("y = len(v)"))),
    55: case("An instance counts by its values and its class's code.",
        after("ran", "y = str(p.v)", ("from dataclasses import dataclass\n@dataclass\nclass P:\n    v: int\np = P(1)", "p = P(2)"), ("@dataclass\nclass P:\n    v: int\np = P(3)", "@dataclass\nclass P:\n    v: int\n    def m(self): return 1\np = P(3)")),
        after("cached", "y = str(p.v)", ("from dataclasses import dataclass\n@dataclass\nclass P:\n    v: int\np = P(4)", "p = P(4)"))),
    56: case("A large array counts whole.",
        script(cell("import numpy as np\nv = np.zeros(3_000_000)"), ran("y = v.sum()"), cell("v[1_234_567] = 1"), ran("y = v.sum()"), sees("float(y)", "1.0"))),
    57: case("Generators of random numbers count by their state.",
        told_apart(("np.random.default_rng(1)", "np.random.default_rng(2)"), ("random.Random(1)", "random.Random(2)"), before="import random\nimport numpy as np"),
        script(cell("import numpy as np\nr = np.random.default_rng(1)"), task("y = r.integers(1000)"), cell("first = y, r.integers(1000)"), restart(), cell("import numpy as np\nr = np.random.default_rng(1)"), task("y = r.integers(1000)"), sees("(int(y), int(r.integers(1000)))", "(473, 511)"))),
    58: case("A generator, file, lock or socket has no content: the cell runs, and says which name it was.",
        *(script(cell(before), uncached(body, "v)"), sees(look, shown)) for before, body, look, shown in [
            ("v = (i for i in range(3))", "y = list(v)", "y", "[0, 1, 2]"), ("import os\nv = open(os.devnull)", "y = v.name", "y", "'/dev/null'"), ("import threading\nv = threading.Lock()", "y = v.locked()", "y", "False"), ("import sqlite3\nv = sqlite3.connect(':memory:')", "y = v.total_changes", "y", "0")])),
    59: case("A module counts by its version or its code.",
        script(cell("import json as m"), ran("y = m.__name__"), hit("y = m.__name__"), cell("import math as m"), ran("y = m.__name__"), sees("y", "'math'"))),
    60: case("An input without a content is never skipped silently.",
        script(cell("v = iter([1]); w = 2"), uncached("y = (w, type(v))", "v)"), uncached("y = (w, type(v))", "v)"))),
    61: case("Environment variables that a cell names are inputs; others can be declared.",
        script(cell("import os\nos.environ['R61'] = 'eu'"), ran("y = os.environ['R61']"), cell("os.environ['R61'] = 'us'"), ran("y = os.environ['R61']"), sees("y", "'us'")),
        script(cell("import os\nos.makedirs('sub61', exist_ok=True)"), ran("y = os.path.basename(os.getcwd())"), hit("y = os.path.basename(os.getcwd())"), cell("os.chdir('sub61')"), ran("y = os.path.basename(os.getcwd())"), sees("y", "'sub61'"), cell("os.chdir('..')")),
        script(cell("import numpy as np\na = np.array([1.23456789])"), ran("y = str(a)"), cell("np.set_printoptions(precision=3)"), ran("y = str(a)"), sees("y", "'[1.235]'"), cell("np.set_printoptions(precision=8)"), hit("y = str(a)")),
        script(cell("import decimal"), ran("y = str(decimal.Decimal(1) / 3)"), uncached("decimal.getcontext().prec = 5", "settings"), ran("y = str(decimal.Decimal(1) / 3)"), sees("y", "'0.33333'"), cell("decimal.getcontext().prec = 28"), hit("y = str(decimal.Decimal(1) / 3)")),
        script(cell("import pandas as pd\nf = pd.DataFrame({'a': [1.23456789]})"), ran("y = str(f)"), cell("pd.set_option('display.precision', 2)"), ran("y = str(f)"), cell("pd.reset_option('display.precision')"), hit("y = str(f)")),
        script(cell("import os\nos.environ['R62'] = 'a'"), ran("y = 61", header="%%task --env R62"), cell("os.environ['R62'] = 'b'"), ran("y = 61", header="%%task --env R62"))),
    62: case("Files are inputs however they are read.",
        *(Covered(f"{TASKS}::{name}") for name in ("test_files", "test_parquet", "test_parquet_under_a_computed_name", "test_a_file_that_appears", "test_a_listed_folder")),
        script(write("d62.txt", "a"), cell("import sqlite3\nbase = sqlite3.connect('b62.db')\n_ = base.execute('create table t (v)'); base.commit(); base.close()"), ran("import sqlite3\nbase = sqlite3.connect('b62.db')\ny = base.execute('select count(*) from t').fetchone()\nbase.close()\ndel base"),
            cell("base = sqlite3.connect('b62.db')\n_ = base.execute('insert into t values (1)'); base.commit(); base.close(); del base"), again("import sqlite3\nbase = sqlite3.connect('b62.db')\ny = base.execute('select count(*) from t').fetchone()\nbase.close()\ndel base"), sees("y", "(1,)")),
        *(script(cell("import os\nfrom pathlib import Path"), ran(f"y = {asks}"), hit(f"y = {asks}"), write("s62.txt", "abc"), ran(f"y = {asks}"), sees("y", shown), hit(f"y = {asks}"), cell("os.remove('s62.txt')"), hit(f"y = {asks}")) for asks, shown in [
            ("os.path.exists('s62.txt')", "True"), ("Path('s62.txt').is_file()", "True"), ("os.path.getsize('s62.txt') if os.path.exists('s62.txt') else -1", "3")]),
        script(cell("import os"), uncached("if not os.path.exists('m62.txt'): n = open('m62.txt', 'w').write('new')", "which it changes"), ran("if not os.path.exists('m62.txt'): n = open('m62.txt', 'w').write('new')"), hit("if not os.path.exists('m62.txt'): n = open('m62.txt', 'w').write('new')"), cell("os.remove('m62.txt')"), again("if not os.path.exists('m62.txt'): n = open('m62.txt', 'w').write('new')"), sees("open('m62.txt').read()", "'new'"))),
    63: case("A file's content counts, not its time; a change within the clock's tick is seen.",
        script(write("t63.txt", "aa"), ran("y = open('t63.txt').read()"), cell("import os\nos.utime('t63.txt', (1, 1))"), hit("y = open('t63.txt').read()"), write("t63.txt", "bb"), ran("y = open('t63.txt').read()"), sees("y", "'bb'")),
        Covered("integration/test_traces.py::test_same_size_and_time")),
    64: case("A written file that is gone or changed is written again.", Covered(f"{TASKS}::test_written_files"), Covered(f"{TASKS}::test_a_file_written_and_read")),
    65: case("The generators stand after a hit where the cell left them.", Covered(f"{TASKS}::test_random_state"), Covered(f"{TASKS}::test_another_seed"),
        script(cell("import random\nrandom.seed(3)"), ran("y = random.random()"), sees("random.random()", "0.5442292252959519"), cell("random.seed(3)"), hit("y = random.random()"), sees("random.random()", "0.5442292252959519")),
        script(ran("import random\nrandom.seed(5)\ny = random.random()"), sees("y", "0.6229016948897019"), hit("import random\nrandom.seed(5)\ny = random.random()"), restart(), cell("import random\n_ = random.random()"), hit("import random\nrandom.seed(5)\ny = random.random()"), sees("y, random.random()", "(0.6229016948897019, 0.7417869892607294)")),
        script(ran("import numpy as np\nnp.random.seed(5)\ny = np.random.rand()"), restart(), cell("import numpy as np\n_ = np.random.rand()"), hit("import numpy as np\nnp.random.seed(5)\ny = np.random.rand()"), sees("float(np.random.rand())", "0.8707323061773764")),
        script(cell("import random\nrandom.seed(1)"), ran("random.seed(1)"), cell("_ = random.random()"), hit("random.seed(1)"), sees("random.random()", "0.13436424411240122"))),
    66: case("Results can expire, be refreshed and not be kept at all.",
        script(ran("y = 66"), ran("y = 66", header="%%task --refresh"), uncached("y = 66", "--no-cache", header="%%task --no-cache"), hit("y = 66")),
        script(ran("y = 67", header="%%task --cache-expiration 1h"), hit("y = 67", header="%%task --cache-expiration 1h"), ran("y = 68", header="%%task --cache-expiration 1ms"), cell("import time\ntime.sleep(0.01)"), ran("y = 68", header="%%task --cache-expiration 1ms"))),
}  # fmt: skip

# --- changes in place, and who shares what ------------------------------------------

SHARING = {
    67: case("An input changed in place is changed by a hit, for all its names.",
        *(twice(before, body, look, shown) for before, body, look, shown in [
            ("x = [3, 1]; same = x", "x.sort()", "x, same is x", "([1, 3], True)"), ("x = {'a': 1}", "x.update(b=2)", "x", "{'a': 1, 'b': 2}"),
            ("import numpy as np\nx = np.zeros(2)", "np.add(x, 1, out=x)", "x.tolist()", "[1.0, 1.0]"), ("import pandas as pd\nx = pd.DataFrame({'a': [1], 'b': [2]})", "x.drop(columns='b', inplace=True)", "list(x)", "['a']")]),
        script(cell("x = [1]"), ran("x.append(2)"), ran("x.append(2)"), sees("x", "[1, 2, 2]"))),
    68: case("A change through another name or by a library is seen by the value.",
        script(cell("x = [1]; d = {'k': x}"), task("d['k'].append(2)"), sees("x, d['k'] is x", "([1, 2], True)"), restart(), cell("x = [1]; d = {'k': x}"), task("d['k'].append(2)"), sees("x, d['k'] is x", "([1, 2], True)")),
        script(cell("class C:\n    n = 0\n    @property\n    def v(self):\n        C.n += 1\n        return C.n\nc = C()"), uncached("a = c.v", "'C'"), uncached("a = c.v", "'C'"), sees("a, C.n", "(2, 2)")),
        twice("class M:\n    def fit(self, v): self.seen = sum(v); return self\nm = M(); v = [1, 2]", "m.fit(v);", "m.seen, type(m) is M", "(3, True)")),
    69: case("An output that another cell changed is restored as it was made.",
        script(ran("y = [1]"), cell("y.append(2)"), hit("y = [1]"), sees("y", "[1]"))),
    70: case("Outputs that share an object share it after a hit.",
        twice("", "a = []\nb = {'k': a}\na.append(1)", "b['k'] is a, b", "(True, {'k': [1]})")),
    71: case("An output that is an input is the live input after a hit.",
        twice("x = [1]", "y = x", "y is x, y", "(True, [1])"),
        script(cell("x = [[1], [2]]"), task("y = x[0]"), sees("y is x[0]", "True"), restart(), cell("x = [[1], [2]]"), task("y = x[0]"), sees("y is x[0]", "True"))),
    72: case("A view and its array share their memory after a hit.",
        twice("import numpy as np", "a = np.zeros(20_000)\nv = a[5:]\nv[0] = 1", "float(a[5]), np.shares_memory(a, v)", "(1.0, True)"),
        script(cell("import numpy as np\na = np.zeros(9)"), task("v = a[2:]"), sees("np.shares_memory(a, v)", "True"), restart(), cell("import numpy as np\na = np.zeros(9)"), task("v = a[2:]"), sees("np.shares_memory(a, v)", "True"))),
    73: case("Writing into a restored array leaves what is kept alone.", Covered(f"{TASKS}::test_large_arrays"),
        script(cell("import numpy as np"), ran("a = np.zeros(100_000)"), hit("a = np.zeros(100_000)"), cell("a[:] = 7"), hit("a = np.zeros(100_000)"), sees("float(a.sum())", "0.0"))),
    74: case("A restored array that was changed is another input; an untouched one is the same.",
        script(cell("import numpy as np"), ran("a = np.zeros(100_000)"), ran("y = float(a.sum())"), hit("a = np.zeros(100_000)"), hit("y = float(a.sum())"), cell("a[99_999] = 1"), ran("y = float(a.sum())"), sees("y", "1.0"))),
    75: case("Frames count by content, whoever wrote into them.",
        script(cell("import pandas as pd\nf = pd.DataFrame({'c': [1.0, 2.0]})"), task("s = f['c'] * 1"), cell("f.loc[0, 'c'] = 5.0"), again("s = f['c'] * 1"), sees("s.tolist()", "[5.0, 2.0]"))),
    76: case("A default or a class attribute that changed counts; what a memory holds does not.",
        after("ran", "y = f(1)", ("def f(v, seen=[]): return len(seen)", "f.__defaults__[0].append(1)")), after("ran", "y = C.k", ("class C:\n    k = 1", "C.k = 2")),
        after("cached", "y = f(2)", ("import functools\n@functools.lru_cache\ndef f(v): return v", "_ = f(5)"))),
}  # fmt: skip

# --- outputs and what is kept -------------------------------------------------------

OUTPUTS = {
    77: case("Imports and definitions are executed again, not loaded.",
        twice("", "import math as m\ndef f(v):\n    return v + 1\nclass C:\n    pass\nc = C()", "m.__name__, __import__('inspect').getsource(f), type(c) is C, f.__globals__ is globals()", r"('math', 'def f(v):\n    return v + 1\n', True, True)")),
    78: case("An instance of a class of another cell is of the class of this kernel.",
        twice("class P:\n    def __init__(self, v): self.v = v", "p = P([3])", "type(p) is P, isinstance(p, P), p.v, __import__('pickle').loads(__import__('pickle').dumps(p)).v", "(True, True, [3], [3])")),
    79: case("An output that cannot be stored does not lose the others.",
        script(task("good = 1\nbad = (i for i in range(3))"), sees("good, list(bad)", "(1, [0, 1, 2])"), restart(), task("good = 1\nbad = (i for i in range(3))"), sees("good, list(bad)", "(1, [0, 1, 2])")),
        script(cell("import threading"), task("lock = threading.Lock()\nn = 2"), sees("lock.locked(), n", "(False, 2)"), restart(), cell("import threading"), task("lock = threading.Lock()\nn = 2"), sees("lock.locked(), n", "(False, 2)"))),
    80: case("Coroutines, futures, threads and processes are never stored.",
        *(script(cell("import asyncio, threading, concurrent.futures"), again(body), sees(look, shown), restart(), cell("import asyncio, threading, concurrent.futures"), task(body), sees(look, shown)) for body, look, shown in [
            ("async def three():\n    for i in range(3): yield i\ng = three()", "[i async for i in g]", "[0, 1, 2]"), ("t = threading.Thread(target=print)", "t.is_alive()", "False"), ("f = concurrent.futures.Future()", "f.done()", "False")])),
    81: case("Models are stored with their arrays.",
        twice("import numpy as np\nfrom sklearn.linear_model import LinearRegression", "m = LinearRegression().fit(np.arange(4.0).reshape(4, 1), np.arange(4.0))", "round(float(m.predict([[9.0]])[0]), 6)", "9.0")),
    82: case("A figure is stored as a value and shown as a picture.", Covered(f"{TASKS}::test_figures"),
        script(cell("%matplotlib inline\nimport matplotlib.pyplot as plt"), task("fig, ax = plt.subplots()\n_ = ax.plot([1, 2])\nplt.close(fig)"), sees("type(fig).__name__, fig.axes[0] is ax", "('Figure', True)"), restart(), cell("%matplotlib inline\nimport matplotlib.pyplot as plt"), task("fig, ax = plt.subplots()\n_ = ax.plot([1, 2])\nplt.close(fig)"), sees("type(fig).__name__, fig.axes[0] is ax", "('Figure', True)"))),
    83: case("A result larger than the cache may be is not kept, and said.", Covered("integration/test_results.py::test_a_result_larger_than_the_cache_is_not_kept"), Covered(f"{FAULTS}::test_a_value_larger_than_the_cache")),
    84: case("A kernel killed while it keeps a cell leaves the whole of it or nothing.", Covered(f"{FAULTS}::test_killed_while_keeping"), Covered(f"{RESULTS}::test_a_process_killed_while_writing_leaves_nothing")),
    85: case("A damaged entry is a miss and no error of the cell's.", Covered(f"{FAULTS}::test_damage_is_a_miss"), Covered(f"{RESULTS}::test_a_flipped_bit_in_a_file_is_a_miss")),
    86: case("An error half way keeps nothing; names bound before it stay.", Covered(f"{TASKS}::test_error"),
        script(fails("%%task\nearly = 1\n1 / 0\nlate = 2", "ZeroDivisionError"), sees("early, 'late' in globals()", "(1, False)"), cell("x = 0"), fails("%%task t --retries 1\nx += 1\nif x == 1: raise ValueError(x)", "ValueError: 1"))),
    87: case("An interrupted or exiting cell keeps nothing.", Covered(f"{TASKS}::test_interrupt"), Covered(f"{TASKS}::test_system_exit"),
        script(fails("%%task t --timeout 0.2\nimport time\ntime.sleep(20)", "RunTimedOut"), ran("y = 1"))),
    88: case("Kernels that need one cell at once execute it once.", Covered(f"{TASKS}::test_one_execution"), Covered(f"{FAULTS}::test_four_processes_at_once")),
    89: case("A cell that makes something else each time says so when it is checked.", Covered("integration/test_nborch_magic.py::test_check"),
        script(ran("import time\ny = time.time_ns()"), cell("first = y"), hit("import time\ny = time.time_ns()"), sees("y == first", "True"))),
    90: case("What is mapped outlives its eviction.", Covered(f"{FAULTS}::test_eviction_under_a_mapped_array"), Covered("integration/test_results.py::test_a_mapped_result_outlives_its_file")),
    91: case("Without a folder to write in, cells run, with one warning.", Covered(f"{FAULTS}::test_a_folder_that_cannot_be_used"), Covered(f"{RESULTS}::test_a_full_disk")),
}  # fmt: skip

# --- displays -----------------------------------------------------------------------

DISPLAYS = {
    92: case("Streams come again in order, carriage returns and colours too.", Covered(f"{TASKS}::test_displays_in_order"),
        script(ran("print('a\\rb', end='')\nprint('\\x1b[1mc')", stdout="a\rb\x1b[1mc\n"), hit("print('a\\rb', end='')\nprint('\\x1b[1mc')", stdout="a\rb\x1b[1mc\n"))),
    93: case("What threads print is the cell's, and so is a shell command's.", Covered(f"{TASKS}::test_shell_output"),
        script(*[kind("import threading\nt = threading.Thread(target=print, args=('in thread',))\nt.start(); t.join(); del t", stdout="in thread\n") for kind in (ran, hit)])),
    94: case("A display that is updated or cleared is kept as it was last.", Covered(f"{TASKS}::test_updated_displays"), Covered(f"{TASKS}::test_update_of_an_earlier_display"), Covered(f"{TASKS}::test_shown_again")),
    95: case("Out and _ hold the last value after a hit.", Covered(f"{TASKS}::test_last_value"),
        script(ran("r = [1]\nr", result="[1]"), restart(), hit("r = [1]\nr", result="[1]"), sees("_ is r", "True"))),
    96: case("Figures that are shown at the end of a cell are the cell's.", Covered(f"{TASKS}::test_figures")),
    97: case("A cell that shows a widget runs again.", script(cell("import ipywidgets"), uncached("display(ipywidgets.IntSlider())", "widget"), uncached("display(ipywidgets.IntSlider())", "widget"))),
    98: case("Log lines and warnings are shown again as text.",
        script(*[kind("import logging\nlogging.getLogger('x98').warning('logged')") for kind in (ran, hit)]), Covered(f"{TASKS}::test_shown_again")),
    99: case("What a cell shows stays with its owner.", Covered("integration/test_results.py::test_only_the_owner_can_read"),
        script(uncached("print('token')", header="%%task --no-cache", stdout="token\n"), ran("print('token')", stdout="token\n"))),
    100: case("A flood of text is kept in part, and says so.", Covered("unit/test_recording.py::test_huge_text")),
}  # fmt: skip

# --- the ways of IPython ------------------------------------------------------------

IPYTHON = {
    101: case("Magics and shell commands in a cell are understood.",
        Reads("x = get_ipython().getoutput('ls {folder}')", "folder", "x"),
        script(uncached("!echo out", "shell command"), uncached("names = !echo out", "shell command"), sees("names", "['out']"), ran("%matplotlib inline\nx = 3\nx"), hit("%matplotlib inline\nx = 3\nx"))),
    102: case("A cell may await.", twice("import asyncio", "y = await asyncio.sleep(0, 'slept')", "y", "'slept'"), script(fails("%%task\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0", "ZeroDivisionError"))),
    103: case("An error ends the cell as without %%task, and is shown once.", Covered(f"{TASKS}::test_error"), Covered(f"{TASKS}::test_time_of_an_error"), script(fails("%%task\n1 / 0", "ZeroDivisionError: division by zero"))),
    104: case("Other cell magics stand above %%task.", Covered(f"{TASKS}::test_time"), Covered(f"{TASKS}::test_capture"),
        script(ran("y = 104", header="%%time\n%%task"), hit("y = 104", header="%%time\n%%task"), cell("n = []"), cell("%%timeit -n 3 -r 1\n%%task\nn.append(1)"), sees("len(n)", "3"))),
    105: case("Tracebacks, %debug and inspect find the cell's own lines.", Covered(f"{TASKS}::test_error_in_a_helper"),
        script(fails("%%task\nx = 1\n\n1 / 0", "line 4", "----> 4 1 / 0"), ran("def f():\n    return 105"), hit("def f():\n    return 105"), sees("__import__('inspect').getsource(f)", r"'def f():\n    return 105\n'"))),
    106: case("Flags, and magics that change the process, are repeated or run each time.",
        script(uncached("%cd -q .", "%cd"), uncached("%env LAW106=1", "%env"), ran("%matplotlib inline"), hit("%matplotlib inline")),
        twice("", "from __future__ import annotations\ndef f(a: nowhere): return a\ny = f(1)", "y, f.__annotations__", "(1, {'a': 'nowhere'})")),
    107: case("An empty cell keeps nothing; a syntax error is on its line.",
        script(*map(silent, ["", "# only a comment", "pass", "'doc'"])), script(fails("%%task\nx = 1\ny = (", "line 3", "SyntaxError"), ran("def f(): pass"), hit("def f(): pass")), Covered(f"{TASKS}::test_syntax_error")),
    108: case("A semicolon at the end hides the value after a hit, too.", script(ran("y = 3\ny;"), hit("y = 3\ny;"), sees("y", "3")), Covered(f"{TASKS}::test_shown_again")),
    109: case("Where nborch is not loaded, %%task is an unknown magic that says what to do.", Covered(f"{TASKS}::test_unload")),
    110: case("Keys are the same in kernels, terminals and scripts.", Covered("integration/test_key_stability.py::test_a_kernel_and_a_script_agree"), Covered("integration/test_front_ends.py::test_front_ends")),
}  # fmt: skip

# --- order and staleness ------------------------------------------------------------

ORDER = {
    111: case("Cells that run out of order are judged by what they read, not by their place.",
        script(cell("x = 1"), cell("y = 0"), ran("z = x + y"), ran("y = x + 1"), ran("z = x + y"), sees("z", "3"), cell("y = 0"), hit("z = x + y"), sees("z", "1"))),
    112: case("What is made anew and equal stops the rerunning there.",
        script(cell("raw = [3, 1, 2]"), ran("top = max(raw)"), ran("y = top * 2"), cell("raw = [3, 2, 1]"), ran("top = max(raw)"), hit("y = top * 2"))),
    113: case("The names of a deleted cell live on until the restart.", Covered("integration/test_reruns.py::test_deleted_cell"),
        script(ran("y = 113"), cell("y = 113"), ran("z = y"), restart(), fails("%%task\nz = y", "NameError"), ran("y = 113 + 0"), hit("z = y"))),
    114: case("Two cells that make one name: each reader has the value that it read.",
        script(ran("y = 'one'"), ran("z = y * 1"), ran("y = 'two'"), ran("z = y * 1"), sees("z", "'two'"), hit("y = 'one'"), hit("z = y * 1"), sees("z", "'one'"))),
    115: case("After a restart, Run All executes nothing that has not changed.",
        script(cell("import numpy as np"), ran("a = np.arange(10)"), ran("b = a * 2"), ran("c = b.sum()\nc"), restart(), cell("import numpy as np"), hit("a = np.arange(10)"), hit("b = a * 2"), hit("c = b.sum()\nc"), sees("int(c)", "90"))),
    116: case("A parameter that changed runs the cells that depend on it, and no others.",
        script(cell("n = 1; m = 1"), ran("a = n + 1"), ran("b = a * 2"), ran("c = m * 3"), cell("n = 2"), ran("a = n + 1"), ran("b = a * 2"), hit("c = m * 3"), sees("a, b, c", "(3, 6, 3)"))),
    117: case("A cell that reads a stale name is told.", Covered("integration/test_reruns.py::test_reader_of_what_is_stale")),
}  # fmt: skip

CASES = NAMES | CODE | VALUES | SHARING | OUTPUTS | DISPLAYS | IPYTHON | ORDER
