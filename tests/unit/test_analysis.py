"""What the analysis finds in a cell, case by case."""

import ast
import sys
import textwrap

import pytest

from nborch.notebook.analysis import analyse

# Each case: the cell, then the names it reads, surely binds, maybe binds and deletes.
# Builtins are left out of the reads here: whether they are inputs depends on the
# namespace, and a test of its own says so.
BUILTINS = {
    "all",
    "any",
    "enumerate",
    "Exception",
    "ImportError",
    "int",
    "len",
    "list",
    "map",
    "open",
    "print",
    "range",
    "sorted",
    "sum",
    "ValueError",
}

CASES = {
    # bindings
    "reads and binds": ("x = x + 1", "x", "x", "", ""),
    "augmented": ("x += 1", "x", "x", "", ""),
    "value before target": ("a = b = c", "c", "a b", "", ""),
    "item store": ("d['k'] = v", "d v", "", "", ""),
    "attribute store": ("o.attr = v", "o v", "", "", ""),
    "item of a new name": ("d = {}\nd[k] = v", "k v", "d", "", ""),
    "augmented item": ("d[k] += v", "d k v", "", "", ""),
    "unpacking": ("a, *b = c", "c", "a b", "", ""),
    "nested unpacking": ("(a, (b, *c)), d.e = f", "d f", "a b c", "", ""),
    "annotation alone": ("x: int", "", "", "", ""),
    "annotation with value": ("x: T = 3", "T", "x", "", ""),
    "annotation is evaluated last": ("T: T = 3", "", "T", "", ""),
    "import": ("import a.b.c", "", "a", "", ""),
    "import as": ("import a.b as c\nfrom d import e as f, g", "", "c f g", "", ""),
    "walrus": ("print(n := len(xs), n)", "xs", "n", "", ""),
    "walrus after and": ("p and (q := 1)", "p", "", "q", ""),
    "walrus first of or": ("(q := p) or r", "p r", "q", "", ""),
    "walrus in a chain": ("a < (b := c) < (d := e)", "a c e", "b", "d", ""),
    "walrus in one branch": ("(x := 1) if c else 2", "c", "", "x", ""),
    "walrus in both branches": ("(x := 1) if c else (x := 2)", "c", "x", "", ""),
    "walrus in an assertion": ("assert (n := m)", "m", "", "n", ""),
    # deletions
    "del reads": ("del x", "x", "", "", "x"),
    "del what was made": ("x = 1\ndel x", "", "", "", "x"),
    "del on one path": ("x = 1\nif c: del x", "c", "", "x", "x"),
    "bound again": ("del x\nx = 1", "x", "x", "", ""),
    "read after del is no input": ("x = 1\ndel x\nprint(x)", "", "", "", "x"),
    "del item": ("del d[k], o.a", "d k o", "", "", ""),
    # branches
    "both branches": ("if c: x = 1\nelse: x = 2\nprint(x)", "c", "x", "", ""),
    "one branch": ("if c: x = 1\nprint(x)", "c x", "", "x", ""),
    "elif without else": ("if c: x = 1\nelif d: x = 2\nprint(x)", "c d x", "", "x", ""),
    "raising branch": ("if c: x = 1\nelse: raise E\nprint(x)", "c E", "x", "", ""),
    "constant test": ("if True: x = 1\nprint(x)", "", "x", "", ""),
    "never": ("if 0: x = y", "", "", "", ""),
    "not never": ("if not 0: x = y", "y", "x", "", ""),
    # loops
    "for definite": ("for i in range(3): print(i)", "", "", "i", ""),
    "for then read": ("for k in d: pass\nprint(k)", "d k", "", "k", ""),
    "for reads itself": ("for x in x: pass", "x", "", "x", ""),
    "for else": ("for k in d: break\nelse: k = 1\nprint(k)", "d", "k", "", ""),
    "for else no break": ("for k in d: pass\nelse: x = 1", "d", "x", "k", ""),
    "for into an item": ("for a[0] in b: pass", "a b", "", "", ""),
    "while true": ("while True:\n v = 1\n break\nprint(v)", "", "v", "", ""),
    "while true breaks early": (
        "while True:\n if c: break\n v = 1\nprint(v)",
        "c v",
        "",
        "v",
        "",
    ),
    "while": ("while c: v = 1\nprint(v)", "c v", "", "v", ""),
    "while else": ("while c: pass\nelse: v = 1", "c", "v", "", ""),
    "while false": ("while 0: v = w\nelse: u = 1", "", "u", "", ""),
    "continue skips": (
        "while True:\n if c: continue\n v = 1\n break\nprint(v)",
        "c",
        "v",
        "",
        "",
    ),
    "bound by the turn before": (
        "for i in r:\n if i: print(v)\n v = 1",
        "r v",
        "",
        "i v",
        "",
    ),
    "deleted by the turn before": ("for i in r:\n x = 1\n del x", "r", "", "i", "x"),
    # exceptions
    "import or other import": (
        "try: import a\nexcept ImportError: import b as a",
        "",
        "a",
        "",
        "",
    ),
    "exception name is unbound": (
        "try: f()\nexcept Exception as e: print(e)",
        "f",
        "",
        "",
        "e",
    ),
    "half way through": (
        "try:\n f()\n x = 1\nexcept E: print(x)",
        "f E x",
        "",
        "x",
        "",
    ),
    "handler that raises": (
        "try: x = f()\nexcept E: raise\nprint(x)",
        "f E",
        "x",
        "",
        "",
    ),
    "defined half way, called by the handler": (
        "try:\n def f(): return q\n nowhere\nexcept E: f()",
        "E f q nowhere",
        "",
        "f",
        "",
    ),
    "finally sees both": ("try: x = f()\nfinally: print(x)", "f x", "x", "", ""),
    "finally binds": ("try: f()\nfinally: x = 1", "f", "x", "", ""),
    "try else": ("try: f()\nexcept E: x = 1\nelse: x = 2", "f E", "x", "", ""),
    "break through finally": (
        "while 1:\n try:\n  break\n finally: x = 1\nprint(x)",
        "",
        "x",
        "",
        "",
    ),
    "except star": (
        "try: f()\nexcept* A as e: x = 1\nexcept* B: y = 1",
        "f A B",
        "",
        "x y",
        "e",
    ),
    # with
    "with that may swallow": ("with cm() as f: x = f\nprint(x)", "cm x", "", "f x", ""),
    "with open": ("with open(p) as f: x = f\nprint(x)", "p", "f x", "", ""),
    "with several": (
        "with open(a) as b, open(b) as c: d = c",
        "a",
        "b c d",
        "",
        "",
    ),
    # match
    "match captures": (
        "match p:\n case [a, *b]: pass\n case {'k': c, **d}: pass\n case K(e): pass",
        "p K",
        "",
        "a b c d e",
        "",
    ),
    "match always": ("match p:\n case 0: x = 1\n case _: x = 2\nx", "p", "x", "", ""),
    "match capture always": (
        "match p:\n case 0: y = 1\n case y: pass",
        "p",
        "y",
        "",
        "",
    ),
    "match with guard": (
        "match p:\n case q if q > m: x = 1\nprint(x)",
        "p m x",
        "q",
        "x",
        "",
    ),
    "match value": ("match p:\n case color.RED: pass", "p color", "", "", ""),
    # comprehensions
    "targets do not leak": ("z = [x for x in xs]", "xs", "z", "", ""),
    "first iterable outside": ("z = [x for x in x]", "x", "z", "", ""),
    "second iterable inside": ("z = [y for x in xs for y in x]", "xs", "z", "", ""),
    "old name beside a target": ("z = [k for v in vs]", "k vs", "z", "", ""),
    "walrus inside": ("z = [q := v for v in vs]\nprint(q)", "vs q", "z", "q", ""),
    "dict comprehension": ("{k: v + w for k, v in d}", "d w", "", "", ""),
    "nested comprehension": ("[[x for x in y] for y in z]", "z", "", "", ""),
    "generator consumed": ("sum(v * w for v in vs)", "vs w", "", "", ""),
    "generator's walrus": ("any((last := v) for v in vs)", "vs", "", "last", ""),
    "async comprehension": ("z = [v async for v in g()]", "g", "z", "", ""),
    # functions
    "defaults now": ("def f(a, b=k): return a", "k", "f", "", ""),
    "keyword defaults now": ("def f(*, b=k): pass", "k", "f", "", ""),
    "annotations now": ("def f(a: A, *b: B) -> C: pass", "A B C", "f", "", ""),
    "annotations as text": (
        "from __future__ import annotations\ndef f(a: A) -> C: pass",
        "",
        "annotations f",
        "",
        "",
    ),
    "decorators now": ("@deco\ndef f(): pass", "deco", "f", "", ""),
    "decorator may call": ("@deco\ndef f(): return q", "deco q", "f", "", ""),
    "called": ("def f(): return q\nf()\nq = 1", "q", "f q", "", ""),
    "called when ready": ("def f(): return q\nq = 1\nf()", "", "f q", "", ""),
    "helper defined later": (
        "def f(): return h()\ndef h(): return 1\nf()",
        "",
        "f h",
        "",
        "",
    ),
    "helper defined too late": (
        "def f(): return h()\nf()\ndef h(): return 1",
        "h",
        "f h",
        "",
        "",
    ),
    "recursion": ("def f(n): return f(n - 1)\nf(3)", "", "f", "", ""),
    "not called": ("def f(): return q", "", "f", "", ""),
    "locals stay inside": ("def f(a):\n b = a\n return b\nf(1)", "", "f", "", ""),
    "local before it is bound": ("def f():\n print(b)\n b = 1\nf()", "", "f", "", ""),
    "closure": ("def f(a):\n def g(): return a + q\n return g\nf(1)", "q", "f", "", ""),
    "nonlocal": (
        "def f():\n n = 0\n def g():\n  nonlocal n\n  n += 1\n g()\nf()",
        "",
        "f",
        "",
        "",
    ),
    "global counter": ("def f():\n global n\n n += 1\nf()", "n", "f n", "", ""),
    "global is set first": (
        "def f():\n global n\n n = 1\n return n\nf()\nprint(n)",
        "",
        "f n",
        "",
        "",
    ),
    "global set maybe": (
        "def f():\n global n\n if c: n = 1\nf()\nprint(n)",
        "c n",
        "f",
        "n",
        "",
    ),
    "global in a nested function": (
        "def f():\n def g():\n  global n\n  n = 1\n g()\nf()",
        "",
        "f",
        "n",
        "",
    ),
    "global deleted": ("def f():\n global n\n del n\nf()", "n", "f", "", "n"),
    "global set unless called by others": (
        "def f():\n global n\n n = 1\nuse(f)\nprint(n)",
        "use n",
        "f",
        "n",
        "",
    ),
    "generator function does not run": (
        "def f():\n global n\n n = 1\n yield\nf()\nprint(n)",
        "n",
        "f",
        "n",
        "",
    ),
    "redefined in between": (
        "def f():\n global n\n n = 1\nf = g\nf()\nprint(n)",
        "g n",
        "f",
        "n",
        "",
    ),
    "called by an operator": (
        "class V:\n def __add__(s, o): return q\nV() + 1\nq = 1",
        "q",
        "V q",
        "",
        "",
    ),
    "called in the next turn": (
        "for i in r:\n if i: f()\n def f(): return q",
        "r f q",
        "",
        "i f",
        "",
    ),
    "lambda not called": ("f = lambda: q", "", "f", "", ""),
    "lambda default": ("f = lambda a=k: a", "k", "f", "", ""),
    "lambda called later": ("f = lambda: q\nf()", "q", "f", "", ""),
    "lambda as argument": ("list(map(lambda v: v * w, xs))", "w xs", "", "", ""),
    "lambda's walrus": ("f = lambda: (y := 1)\nf()", "", "f", "", ""),
    # classes
    "class body runs": ("class A:\n x = y", "y", "A", "", ""),
    "class names do not leak": ("class A:\n x = 1\nprint(x)", "x", "A", "", ""),
    "class name read first": ("class A:\n x = x", "x", "A", "", ""),
    "class name bound before": ("class A:\n x = 1\n y = x", "", "A", "", ""),
    "class name bound maybe": ("class A:\n if c: x = 1\n y = x", "c x", "A", "", ""),
    "methods do not see it": (
        "class A:\n x = 1\n def m(self): return x\nA().m()",
        "x",
        "A",
        "",
        "",
    ),
    "comprehension skips it": (
        "class A:\n x = 1\n y = [x for _ in z]",
        "x z",
        "A",
        "",
        "",
    ),
    "comprehension's iterable": (
        "class A:\n x = [1]\n y = [i for i in x]",
        "",
        "A",
        "",
        "",
    ),
    "bases and keywords": ("class A(B, metaclass=M): pass", "B M", "A", "", ""),
    "base may call methods": (
        "class A(B):\n def m(self): return q",
        "B q",
        "A",
        "",
        "",
    ),
    "class that calls": ("def f(): return q\nclass A:\n x = f()", "q", "f A", "", ""),
    "private name": (
        "class A:\n def m(self): return __p\nA().m()",
        "_A__p",
        "A",
        "",
        "",
    ),
    "global in a class": ("class A:\n global x\n x = 1\nprint(x)", "", "A x", "", ""),
    # texts
    "f-string": ("f'{a:{b}} {c!r}'", "a b c", "", "", ""),
    "query names": ("df.query('x > @limit')", "df x limit", "", "", ""),
    "replacement scan": (
        "duckdb.sql('select * from df')",
        "df duckdb select from",
        "",
        "",
        "",
    ),
    # magics
    "shell output": (
        "x = get_ipython().getoutput('ls {folder}')",
        "folder",
        "x",
        "",
        "",
    ),
    "shell variable": ("get_ipython().system('cat $name')", "name", "", "", ""),
    "time": ("get_ipython().run_line_magic('time', 'x = f(y)')", "f y", "x", "", ""),
    "time a cell": (
        "get_ipython().run_cell_magic('time', '', 'x = 1\\ny = x + z\\n')",
        "z",
        "x y",
        "",
        "",
    ),
    "timeit": (
        "get_ipython().run_line_magic('timeit', '-n 3 x = f(y)')",
        "f y",
        "",
        "",
        "",
    ),
    "capture": (
        "get_ipython().run_cell_magic('capture', '--no-stderr out', 'x = y\\n')",
        "y",
        "x out",
        "",
        "",
    ),
    "bash output": (
        "get_ipython().run_cell_magic('bash', '--out lines', 'ls\\n')",
        "",
        "lines",
        "",
        "",
    ),
    # the rest
    "async": (
        "async with open(s) as a:\n async for b in a: c = await b",
        "s",
        "a",
        "b c",
        "",
    ),
    "await": ("x = await f(y)", "f y", "x", "", ""),
    "nothing": ("", "", "", "", ""),
    "not defined": ("print(nowhere)", "nowhere", "", "", ""),
    "underscore name": ("_tmp = _other", "_other", "_tmp", "", ""),
    "after the end": ("x = 1\nraise E\ny = z", "E", "", "x", ""),
}
if sys.version_info >= (3, 12):
    CASES |= {
        "type alias": ("type X = list[Y]", "", "X", "", ""),
        "type parameters": ("def f[T: B](a: T, b: C) -> T: return T", "C", "f", "", ""),
        "generic class": ("class A[T](B[T]):\n x: T", "B", "A", "", ""),
    }


def names(text: str) -> set[str]:
    return set(text.split())


@pytest.mark.parametrize("case", CASES)
def test_reads_and_writes(case):
    """A cell reads what may come from before it and writes what it leaves behind."""
    source, reads, writes, maybe_writes, deletes = CASES[case]

    cell = analyse(source)

    assert cell.reads - BUILTINS - {"get_ipython"} == names(reads) - BUILTINS
    assert cell.writes == names(writes)
    assert cell.maybe_writes == names(maybe_writes)
    assert cell.deletes == names(deletes)


def test_builtins_are_left_to_the_caller():
    """Builtins are listed as read, because the session may have shadowed them."""
    cell = analyse("print(len(x))")

    assert cell.reads == {"print", "len", "x"}


@pytest.mark.parametrize(
    ("source", "deferred"),
    [
        ("def f(): return q", "q"),
        ("f = lambda: q", "q"),
        ("class A:\n def m(self): return q", "q"),
        ("g = (v * w for v in [])", "w"),
        ("def f(): return q\nq = 1", ""),
        ("def f(): return q\nf()", ""),
        ("def f():\n def g(): return q\n return g", "q"),
        ("def f(): return q\nx = 1 + 2", "q"),
        ("def f(): return f", ""),
    ],
)
def test_deferred(source, deferred):
    """What only uncalled functions read is kept apart for those who call them."""
    cell = analyse(source)

    assert cell.deferred == names(deferred)
    assert not cell.deferred & cell.reads


@pytest.mark.parametrize(
    ("source", "mutates"),
    [
        ("d['k'] = 1", "d"),
        ("o.a.b[0].c = 1", "o"),
        ("del d[0]", "d"),
        ("x += y", "x"),
        ("xs.append(y)", "xs"),
        ("df.a.update(y)", "df"),
        ("df.drop(c, inplace=True)", "df"),
        ("df.drop(c, inplace=False)", ""),
        ("np.exp(a, out=c)", "c"),
        ("rng.shuffle(xs)", "rng xs"),
        ("setattr(o, 'a', 1)", "o"),
        ("for d[k] in xs: pass", "d"),
        ("model.fit(x)", ""),
        ("def f(): d['k'] = 1", ""),
        ("def f(): d['k'] = 1\nf()", "d"),
        ("def f(d): d['k'] = 1\nf(x)", ""),
        ("next(rows)", "rows"),
    ],
)
def test_mutates(source, mutates):
    """Stores into an object and methods known to change it are seen."""
    assert analyse(source).mutates == names(mutates)


@pytest.mark.parametrize(
    ("source", "reaches_into"),
    [
        ("os.environ['A'] = 'b'", "os"),
        ("sys.path.append(p)", "sys"),
        ("plt.rcParams.update(r)", "plt"),
        ("pd.options.display.width = 9", "pd"),
        ("m.flag = 1", "m"),
        ("def f(): m.flag = 1\nf()", "m"),
        ("def f(): m.flag = 1", ""),
        ("np.append(a, b)", ""),
        ("os.environ['A']", ""),
    ],
)
def test_reaches_into(source, reaches_into):
    """Settings of a module that a cell changes through its name are told apart."""
    assert analyse(source).reaches_into == names(reaches_into)


@pytest.mark.parametrize(
    ("source", "dynamic"),
    [
        ("x = 1\n\nexec(code)", "line 3 calls exec()"),
        ("eval('1')", "line 1 calls eval()"),
        ("globals()['x'] = 1", "line 1 calls globals()"),
        ("f(**locals())", "line 1 calls locals()"),
        ("vars()", "line 1 calls vars()"),
        ("run = exec", "line 1 uses exec"),
        ("__import__('m')", "line 1 calls __import__()"),
        ("import sys\nsys._getframe()", "line 2 uses ._getframe"),
        ("import __main__", "line 1 imports __main__"),
        ("sys.modules[name]", "line 1 uses sys.modules"),
        ("df.query(text)", "line 1 calls query() on a computed text"),
        ("get_ipython().user_ns['x']", "line 1 uses get_ipython().user_ns"),
        ("get_ipython().ev('x')", "line 1 uses get_ipython().ev"),
        ("get_ipython().push({})", "line 1 uses get_ipython().push"),
        ("shell = get_ipython()", "line 1 keeps get_ipython()"),
        (
            "get_ipython().run_line_magic('run', 'a.py')",
            "line 1 runs %run, which may use any name",
        ),
        (
            "get_ipython().run_cell_magic('sql', '', 'select 1')",
            "line 1 runs %%sql, which may use any name",
        ),
        (
            "get_ipython().run_cell_magic('time', '', '!ls')",
            "line 1 runs %%time on text that is no Python",
        ),
        ("def f(): exec('x')\nf()", "line 1 calls exec()"),
    ],
)
def test_dynamic(source, dynamic):
    """What reaches names in ways that no analysis can follow is said with its line."""
    assert analyse(source).dynamic == (dynamic,)


@pytest.mark.parametrize(
    "source",
    [
        "vars(o)",
        "import importlib\nimportlib.import_module('m')",
        "def exec(x): return x\nexec(1)",
        "def f(): exec('x')",
        "model.eval()",
        "df.query(f'a > {b}')",
        "'m' in sys.modules",
        "get_ipython().run_line_magic('time', 'f(x)')",
        "for i in range(3):\n get_ipython().run_line_magic('time', 'f = lambda: i')",
    ],
)
def test_what_looks_dynamic_but_is_not(source):
    """Calls that reach no hidden names do not keep a cell from the cache."""
    assert analyse(source).dynamic == ()


@pytest.mark.parametrize(
    ("source", "history"),
    [
        ("x = _", "_"),
        ("x = __ + ___ + _5", "__ ___ _5"),
        ("Out[5], In[3], _ih, _oh, _i, _ii, _i7", "Out In _ih _oh _i _ii _i7"),
        ("for _ in range(3): print(_)", ""),
        ("_, x = pair\nprint(_)", ""),
        ("_tmp = _other", ""),
    ],
)
def test_history(source, history):
    """Names that depend on what was executed when are told apart."""
    assert analyse(source).history == names(history)


def line_magic(name: str, line: str = "") -> str:
    return f"get_ipython().run_line_magic({name!r}, {line!r})"


@pytest.mark.parametrize(
    ("source", "effects", "settings"),
    [
        (line_magic("cd", "data"), ("line 1 runs %cd",), ()),
        (line_magic("env", "A=1"), ("line 1 runs %env",), ()),
        (line_magic("pip", "install x"), ("line 1 runs %pip",), ()),
        ("get_ipython().system('ls')", ("line 1 runs a shell command",), ()),
        ("x = get_ipython().getoutput('ls')", ("line 1 runs a shell command",), ()),
        ("get_ipython().run_cell_magic('bash', '', 'ls')", ("line 1 runs %%bash",), ()),
        (line_magic("matplotlib", "inline"), (), ("line 1 runs %matplotlib",)),
        (line_magic("load_ext", "x"), (), ("line 1 runs %load_ext",)),
        ("if c: " + line_magic("config", "x"), ("line 1 runs %config",), ()),
        ("get_ipython().run_cell_magic('html', '', '<b>')", (), ()),
        ("def f(): get_ipython().system('ls')", (), ()),
    ],
)
def test_effects_and_settings(source, effects, settings):
    """Effects outside the namespace are either repeatable settings or said to be lost."""
    cell = analyse(source)

    assert cell.effects == effects
    assert cell.settings == settings
    repeated = [node for node in cell.prelude if isinstance(node, ast.Expr)]
    assert len(repeated) == len(settings)


PRELUDES = {
    "imports": (
        "import a\nfrom b import c\nx = 1",
        "import a | from b import c",
        "a c",
        "",
    ),
    "import or other": (
        "try:\n import a\nexcept ImportError:\n a = None",
        "try: ...",
        "a",
        "",
    ),
    "import if": ("if sys.platform == 'linux':\n import a", "if ...", "a", ""),
    "plain function": ("def f(a, b=1, *c: int) -> T: return q", "def f", "f", ""),
    "plain default": ("def f(a=k.x): pass", "def f", "f", ""),
    "computed default": ("def f(a=k()): pass", "", "", "f"),
    "default made here": ("k = g()\ndef f(a=k): pass", "", "k", "f"),
    "default is a constant of here": (
        "k = 3\ndef f(a=k): pass",
        "k = 3 | def f",
        "f",
        "",
    ),
    "default changed later": ("def f(a=k): pass\nk = g()", "def f", "f", ""),
    "default changed in place": ("def f(a=k.x): pass\nk.x = 1", "", "", "f"),
    "plain class": (
        "class A(B):\n 'Doc.'\n x: int = 0\n def m(self): pass",
        "class A",
        "A",
        "",
    ),
    "computing class": ("class A:\n x = g()", "", "", "A"),
    "dataclass": (
        "@dataclass(frozen=True)\nclass A:\n x: list = field(default_factory=list)",
        "class A",
        "A",
        "",
    ),
    "decorated by a function of here": (
        "def deco(f): return f\n@deco\ndef f(): pass",
        "def deco | def f",
        "deco f",
        "",
    ),
    "decorator that needs a value": (
        "k = g()\ndef deco(f): return k\n@deco\ndef f(): pass",
        "def deco",
        "deco",
        "f",
    ),
    "bound again": ("import a\na = g()", "import a", "", ""),
    "imported again": ("a = g()\nimport a", "import a", "a", ""),
    "deleted": ("import a\ndel a", "import a", "", ""),
    "attribute set": ("def f(): pass\nf.n = 0", "", "", "f"),
    "list as default": ("def f(a=[]): pass", "def f", "f", ""),
    "list as default, perhaps changed": ("def f(a=[]): pass\nf()", "", "", "f"),
    "defined in a loop": ("for i in r:\n def f(): pass", "", "", "f"),
    "defined if": ("if c:\n def f(): pass", "if ...", "f", ""),
    "lambda": ("f = lambda x: x + k", "f = lambda x: x + k", "f", ""),
    "named tuple": (
        "P = namedtuple('P', 'x y')",
        "P = namedtuple('P', 'x y')",
        "P",
        "",
    ),
    "made by a call": ("f = partial(g, 1)", "", "", ""),
    "star import": ("from m import *", "from m import *", "", ""),
    "async function": ("async def f(): pass", "async def f", "f", ""),
    "values only": ("x = 1\ny = [x]", "", "", ""),
}


def headline(node: ast.stmt) -> str:
    match node:
        case ast.FunctionDef(name=name):
            return f"def {name}"
        case ast.AsyncFunctionDef(name=name):
            return f"async def {name}"
        case ast.ClassDef(name=name):
            return f"class {name}"
        case ast.Try():
            return "try: ..."
        case ast.If():
            return "if ..."
    return ast.unparse(node)


@pytest.mark.parametrize("case", PRELUDES)
def test_prelude(case):
    """Imports and plain definitions are repeated; other definitions are named."""
    source, prelude, bound, unrestorable = PRELUDES[case]

    cell = analyse(source)

    assert " | ".join(map(headline, cell.prelude)) == prelude
    assert cell.prelude_names == names(bound) - {"k"}
    assert set(cell.unrestorable) == names(unrestorable)


def test_prelude_keeps_line_numbers():
    """A repeated definition has the lines of the cell, for tracebacks and source."""
    cell = analyse("x = g()\n\ndef f():\n    return 1\n")

    (definition,) = cell.prelude

    assert definition.lineno == 3


def test_star_imports():
    """Star imports are listed by module."""
    cell = analyse("from math import *\nfrom .a import *\nx = sqrt(2)")

    assert cell.star_imports == ("math", ".a")
    assert cell.reads == {"sqrt"}


def test_literals():
    """Every string that could be a path is kept, however deep it stands."""
    long = "x" * 4097
    cell = analyse(f"read('a.csv', f'{{x}}.csv', ['b'], k={{'c': 1}})\n{long!r}")

    assert cell.literals == {"a.csv", "b", "c"}


@pytest.mark.parametrize(
    ("source", "is_async"),
    [
        ("await f()", True),
        ("async for x in y: pass", True),
        ("async with x: pass", True),
        ("[x async for x in y]", True),
        ("async def f(): await g()", False),
        ("x = 'await'", False),
        ("f()", False),
    ],
)
def test_is_async(source, is_async):
    """A cell has to be awaited exactly when Python makes a coroutine of it."""
    assert analyse(source).is_async is is_async


@pytest.mark.parametrize(
    ("source", "is_empty", "ends_in_expression"),
    [
        ("", True, False),
        ("# only a comment", True, False),
        ("pass\n", True, False),
        ("'''Only a docstring.'''", True, True),
        ("x", False, True),
        ("x;", False, True),
        ("x = 1", False, False),
    ],
)
def test_shape(source, is_empty, ends_in_expression):
    """Empty cells and cells that display a value are told apart from the others."""
    cell = analyse(source)

    assert cell.is_empty is is_empty
    assert cell.ends_in_expression is ends_in_expression


def test_bad_source_is_a_syntax_error():
    """What Python cannot read is a SyntaxError, with its line."""
    with pytest.raises(SyntaxError) as caught:
        analyse("x = 1\nx = = 2")

    assert caught.value.lineno == 2


def test_a_long_chain_of_operators():
    """Generated cells with thousands of operators or branches are no problem."""
    terms = " + ".join(f"x{number}" for number in range(2000))

    cell = analyse(f"total = {terms}")

    assert len(cell.reads) == 2000


def test_nested_loops_take_no_exponential_time():
    """Twelve loops within each other are analysed at once."""
    source = "".join(
        f"{'  ' * depth}for v{depth} in r{depth}:\n" for depth in range(12)
    )

    cell = analyse(source + "  " * 12 + "x = v11")

    assert cell.maybe_writes == {"x", *(f"v{depth}" for depth in range(12))}


def test_warnings_are_left_to_the_run():
    """The analysis does not warn of what Python warns of when the cell runs."""
    analyse(textwrap.dedent(r"x = '\d' is '\w'"))
