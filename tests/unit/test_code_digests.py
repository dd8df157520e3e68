"""Digests of code: what a function reaches counts, and nothing else."""

# ruff: noqa: ISC004  (sources of several lines, one string each)

import functools
import importlib
import sys
import textwrap
import threading

import pytest

from nborch.cache.code import (
    ast_digest,
    code_digest,
    is_local,
    library_version,
)
from nborch.cache.fingerprints import fingerprint
from nborch.cache.keys import cache_key, digest
from nborch.exceptions import Unfingerprintable


def session(*cells, **names):
    """Run cells as a notebook would, each compiled by itself, and return the names."""
    scope = {"__name__": "__main__", **names}
    for number, cell in enumerate(cells):
        code = compile(textwrap.dedent(cell), f"<cell {number}>", "exec")
        exec(code, scope)
    return scope


def digest_of(name, *cells, **names):
    return code_digest(session(*cells, **names)[name])


USER = "def f(x):\n    return helper(x) + 1\n"

#: The digest of ``f`` must differ between the two sessions.
DIFFERENT = {
    "body": (["def f(x): return x + 1"], ["def f(x): return x + 2"]),
    "constant types": (["def f(): return 1"], ["def f(): return 1.0"]),
    "bool constants": (["def f(): return 1"], ["def f(): return True"]),
    "zeros": (["def f(): return 0.0"], ["def f(): return -0.0"]),
    "strings": (["def f(): return 1"], ["def f(): return '1'"]),
    "constant containers": (["def f(): return (1,)"], ["def f(): return [1]"]),
    "nested constants": (["def f(): return ((1,),)"], ["def f(): return ((1.0,),)"]),
    "sets of constants": (
        ["def f(x): return x in {'a', 'b'}"],
        ["def f(x): return x in {'a', 'c'}"],
    ),
    "docstring": (["def f(): 'one'"], ["def f(): 'two'"]),
    "names of globals": (["def f(): return aa"], ["def f(): return bb"]),
    "names of attributes": (["def f(x): return x.a"], ["def f(x): return x.b"]),
    "order of parameters": (["def f(a, b): return a"], ["def f(b, a): return a"]),
    "kinds of parameters": (["def f(a): return a"], ["def f(a, /): return a"]),
    "keyword-only": (["def f(a): return a"], ["def f(*, a): return a"]),
    "keywords of a call": (
        ["def f(g): return g(a=1)"],
        ["def f(g): return g(b=1)"],
    ),
    "starred": (["def f(a): return a"], ["def f(*a): return a"]),
    "defaults": (["def f(a=1): return a"], ["def f(a=2): return a"]),
    "keyword defaults": (["def f(*, a=1): return a"], ["def f(*, a=2): return a"]),
    "default types": (["def f(a=1): return a"], ["def f(a=True): return a"]),
    "annotations": (["def f(a: int): return a"], ["def f(a: float): return a"]),
    "generator": (["def f(): return 1"], ["def f(): yield 1"]),
    "coroutine": (["def f(): return 1"], ["async def f(): return 1"]),
    "inner function": (
        ["def f():\n  def g(): return 1\n  return g()"],
        ["def f():\n  def g(): return 2\n  return g()"],
    ),
    "lambda": (["f = lambda x: x + 1"], ["f = lambda x: x + 2"]),
    "comprehension": (
        ["def f(x): return [y + 1 for y in x]"],
        ["def f(x): return [y + 2 for y in x]"],
    ),
    "exception handled": (
        ["def f():\n  try: g()\n  except ValueError: pass"],
        ["def f():\n  try: g()\n  except TypeError: pass"],
    ),
    "guarded lines": (
        ["def f(g):\n  try:\n    g()\n  except ValueError: pass\n  g()"],
        ["def f(g):\n  try:\n    g()\n    g()\n  except ValueError: pass"],
    ),
    "helper": (
        ["def helper(x): return x * 2", USER],
        ["def helper(x): return x * 3", USER],
    ),
    "helper two levels deep": (
        ["def deep(x): return x", "def helper(x): return deep(x)", USER],
        ["def deep(x): return -x", "def helper(x): return deep(x)", USER],
    ),
    "helper of an inner function": (
        ["def helper(): return 1", "def f(): return (lambda: helper())()"],
        ["def helper(): return 2", "def f(): return (lambda: helper())()"],
    ),
    "helper in a container": (
        ["def helper(): return 1", "TABLE = {'a': [helper]}", "def f(): return TABLE"],
        ["def helper(): return 2", "TABLE = {'a': [helper]}", "def f(): return TABLE"],
    ),
    "helper replaced": (
        ["def helper(x): return x", USER, "def helper(x): return -x"],
        ["def helper(x): return x", USER],
    ),
    "helper absent": ([USER], ["def helper(x): return x", USER]),
    "helper None": ([USER], ["helper = None", USER]),
    "helper shadows a builtin": (
        ["def f(x): return len(x)"],
        ["def len(x): return 0", "def f(x): return len(x)"],
    ),
    "global": (["k = 1", "def f(): return k"], ["k = 2", "def f(): return k"]),
    "global types": (["k = 1", "def f(): return k"], ["k = True", "def f(): return k"]),
    "global container": (
        ["k = {'a': [1]}", "def f(): return k"],
        ["k = {'a': [2]}", "def f(): return k"],
    ),
    "shared globals": (
        ["a = []; b = a", "def f(): return a, b"],
        ["a = []; b = []", "def f(): return a, b"],
    ),
    "shared between helpers": (
        ["a = []; b = a", "def g(): return a\ndef h(): return b\ndef f(): return g, h"],
        [
            "a = []; b = []",
            "def g(): return a\ndef h(): return b\ndef f(): return g, h",
        ],
    ),
    "recursion": (
        ["def f(n): return n and f(n - 1)"],
        ["def f(n): return n and f(n - 2)"],
    ),
    "mutual recursion": (
        ["def f(n): return n and g(n)\ndef g(n): return f(n - 1)"],
        ["def f(n): return n and g(n)\ndef g(n): return f(n - 2)"],
    ),
    "closure": (
        ["def make(n):\n  return lambda: n\nf = make(1)"],
        ["def make(n):\n  return lambda: n\nf = make(2)"],
    ),
    "closure over a closure": (
        ["def make(n):\n  g = lambda: n\n  return lambda: g()\nf = make(1)"],
        ["def make(n):\n  g = lambda: n\n  return lambda: g()\nf = make(2)"],
    ),
    "shared cell": (
        [
            "def make():\n  n = 0\n  def inc():\n    nonlocal n\n    n += 1\n"
            "  def get(): return n\n  return inc, get\n"
            "inc, get = make()\ndef f(): inc(); return get()"
        ],
        [
            "def make():\n  n = 0\n  def inc():\n    nonlocal n\n    n += 1\n"
            "  def get(): return n\n  return inc, get\n"
            "inc, get = make()[0], make()[1]\ndef f(): inc(); return get()"
        ],
    ),
    "closures in a set": (
        ["def make(n):\n  return lambda: n\nf = frozenset({make(1), make(2)})"],
        ["def make(n):\n  return lambda: n\nf = frozenset({make(1), make(3)})"],
    ),
    "decorated without wraps": (
        [
            "def deco(g):\n  def inner(): return g()\n  return inner\n@deco\ndef f(): return 1"
        ],
        [
            "def deco(g):\n  def inner(): return g()\n  return inner\n@deco\ndef f(): return 2"
        ],
    ),
    "decorated with wraps": (
        [
            "import functools\ndef deco(g):\n  @functools.wraps(g)\n"
            "  def inner(): return g()\n  return inner\n@deco\ndef f(): return 1"
        ],
        [
            "import functools\ndef deco(g):\n  @functools.wraps(g)\n"
            "  def inner(): return g()\n  return inner\n@deco\ndef f(): return 2"
        ],
    ),
    "decorator": (
        [
            "def deco(g):\n  def inner(): return g() + 1\n  return inner\n@deco\ndef f(): return 1"
        ],
        [
            "def deco(g):\n  def inner(): return g() + 2\n  return inner\n@deco\ndef f(): return 1"
        ],
    ),
    "lru_cache": (
        ["import functools\n@functools.lru_cache\ndef f(): return 1"],
        ["import functools\n@functools.lru_cache\ndef f(): return 2"],
    ),
    "lru_cache size": (
        ["import functools\n@functools.lru_cache(1)\ndef f(): return 1"],
        ["import functools\n@functools.lru_cache(2)\ndef f(): return 1"],
    ),
    "contextmanager": (
        ["import contextlib\n@contextlib.contextmanager\ndef f(): yield 1"],
        ["import contextlib\n@contextlib.contextmanager\ndef f(): yield 2"],
    ),
    "singledispatch": (
        [
            "import functools\n@functools.singledispatch\ndef f(x): 1\n@f.register\ndef _(x: int): return 1"
        ],
        [
            "import functools\n@functools.singledispatch\ndef f(x): 1\n@f.register\ndef _(x: int): return 2"
        ],
    ),
    "partial": (
        ["import functools\ndef g(x): return x\nf = functools.partial(g, 1)"],
        ["import functools\ndef g(x): return x\nf = functools.partial(g, 2)"],
    ),
    "partial of": (
        ["import functools\ndef g(x): return x\nf = functools.partial(g, 1)"],
        ["import functools\ndef g(x): return -x\nf = functools.partial(g, 1)"],
    ),
    "function attributes": (["def f(): ...\nf.a = 1"], ["def f(): ...\nf.a = 2"]),
    "bound self": (
        ["class C:\n  def m(self): return 1\nc = C(); c.x = 1; f = c.m"],
        ["class C:\n  def m(self): return 1\nc = C(); c.x = 2; f = c.m"],
    ),
    "method": (
        ["class f:\n  def m(self): return 1"],
        ["class f:\n  def m(self): return 2"],
    ),
    "method of a base": (
        ["class B:\n  def m(self): return 1\nclass f(B): pass"],
        ["class B:\n  def m(self): return 2\nclass f(B): pass"],
    ),
    "bases": (["class f: pass"], ["class f(dict): pass"]),
    "order of bases": (
        ["class A: pass\nclass B: pass\nclass f(A, B): pass"],
        ["class A: pass\nclass B: pass\nclass f(B, A): pass"],
    ),
    "metaclass": (
        ["class M(type):\n  x = 1\nclass f(metaclass=M): pass"],
        ["class M(type):\n  x = 2\nclass f(metaclass=M): pass"],
    ),
    "class attribute": (["class f: x = 1"], ["class f: x = 2"]),
    "class attribute changed": (
        ["class f: x = [1]"],
        ["class f: x = [1]", "f.x.append(2)"],
    ),
    "class annotations": (["class f: x: int"], ["class f: x: float"]),
    "slots": (["class f: __slots__ = ('a',)"], ["class f: __slots__ = ('b',)"]),
    "property": (
        ["class f:\n  @property\n  def p(self): return 1"],
        ["class f:\n  @property\n  def p(self): return 2"],
    ),
    "setter": (
        ["class f:\n  p = property(None, lambda s, v: 1)"],
        ["class f:\n  p = property(None, lambda s, v: 2)"],
    ),
    "staticmethod": (
        ["class f:\n  @staticmethod\n  def m(): return 1"],
        ["class f:\n  @staticmethod\n  def m(): return 2"],
    ),
    "static or class": (
        ["class f:\n  @staticmethod\n  def m(x): return 1"],
        ["class f:\n  @classmethod\n  def m(x): return 1"],
    ),
    "cached property": (
        [
            "import functools\nclass f:\n  @functools.cached_property\n  def p(self): return 1"
        ],
        [
            "import functools\nclass f:\n  @functools.cached_property\n  def p(self): return 2"
        ],
    ),
    "instance of an edited class": (
        ["class C:\n  def m(self): return 1\nf = C()"],
        ["class C:\n  def m(self): return 2\nf = C()"],
    ),
    "dataclass default": (
        ["import dataclasses\n@dataclasses.dataclass\nclass f: x: int = 1"],
        ["import dataclasses\n@dataclasses.dataclass\nclass f: x: int = 2"],
    ),
    "dataclass type": (
        ["import dataclasses\n@dataclasses.dataclass\nclass f: x: int"],
        ["import dataclasses\n@dataclasses.dataclass\nclass f: x: float"],
    ),
    "dataclass options": (
        ["import dataclasses\n@dataclasses.dataclass\nclass f: x: int"],
        ["import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass f: x: int"],
    ),
    "attrs": (
        ["import attrs\n@attrs.define\nclass f: x: int = 1"],
        ["import attrs\n@attrs.define\nclass f: x: int = 2"],
    ),
    "pydantic default": (
        ["import pydantic\nclass f(pydantic.BaseModel): x: int = 1"],
        ["import pydantic\nclass f(pydantic.BaseModel): x: int = 2"],
    ),
    "pydantic type": (
        ["import pydantic\nclass f(pydantic.BaseModel): x: int"],
        ["import pydantic\nclass f(pydantic.BaseModel): x: float"],
    ),
    "pydantic validator": (
        [
            "import pydantic\nclass f(pydantic.BaseModel):\n  x: int\n  @pydantic.field_validator('x')\n  @classmethod\n  def v(cls, x): return x"
        ],
        [
            "import pydantic\nclass f(pydantic.BaseModel):\n  x: int\n  @pydantic.field_validator('x')\n  @classmethod\n  def v(cls, x): return -x"
        ],
    ),
    "enum values": (
        ["import enum\nclass f(enum.Enum): A = 1"],
        ["import enum\nclass f(enum.Enum): A = 2"],
    ),
    "enum order": (
        ["import enum\nclass f(enum.Enum): A = 1; B = 2"],
        ["import enum\nclass f(enum.Enum): B = 2; A = 1"],
    ),
    "enum aliases": (
        ["import enum\nclass f(enum.Enum): A = 1; B = 1"],
        ["import enum\nclass f(enum.Enum): A = 1"],
    ),
    "enum methods": (
        ["import enum\nclass f(enum.Enum):\n  A = 1\n  def m(self): return 1"],
        ["import enum\nclass f(enum.Enum):\n  A = 1\n  def m(self): return 2"],
    ),
    "enum instance": (
        ["import enum\nclass E(enum.Enum):\n  A = 1\n  def m(self): return 1\nf = E.A"],
        ["import enum\nclass E(enum.Enum):\n  A = 1\n  def m(self): return 2\nf = E.A"],
    ),
    "namedtuple fields": (
        ["import collections\nf = collections.namedtuple('f', 'a b')"],
        ["import collections\nf = collections.namedtuple('f', 'b a')"],
    ),
    "protocol, abstract": (
        ["import abc\nclass f(abc.ABC):\n  @abc.abstractmethod\n  def m(self): 1"],
        ["import abc\nclass f(abc.ABC):\n  def m(self): 1"],
    ),
    "library function": (
        ["import json\ndef f(x): return json.dumps(x)"],
        ["import json\ndef f(x): return json.loads(x)"],
    ),
    "library alias": (
        ["from json import dumps as g\ndef f(x): return g(x)"],
        ["from json import loads as g\ndef f(x): return g(x)"],
    ),
    "builtin methods": (["f = [1].append"], ["f = [2].append"]),
    "builtin functions": (["f = len"], ["f = sum"]),
    "methods of types": (["f = str.upper"], ["f = str.lower"]),
    "callable": (
        ["class C:\n  def __call__(self): return 1\nf = C()"],
        ["class C:\n  def __call__(self): return 2\nf = C()"],
    ),
}

#: The digest of ``f`` must be the same in the two sessions.
EQUAL = {
    "comment": (
        ["def f(x):\n    return x"],
        ["# more\ndef f(x):\n    # here\n    return x  # too"],
    ),
    "layout": (
        ["def f(x, y):\n    return [x, y]"],
        ["\n\ndef f(\n  x,\n  y,\n):\n\n  return [\n    x,\n    y\n  ]"],
    ),
    "layout of branches": (
        [
            "def f(x):\n    if x: pass\n    while True:\n        break\n    return (1 if x else 2)"
        ],
        [
            "def f(x):\n    if x:\n        pass\n    while True: break\n    return (\n        1\n        if x\n        else 2)"
        ],
    ),
    "layout of tries": (
        ["def f(x):\n    try: x()\n    except ValueError: pass\n    finally: x()"],
        [
            "def f(x):\n    try:\n        x()\n    except ValueError:\n        pass\n    finally:\n        x()"
        ],
    ),
    "other cell": (["k = 1", "def f(): return k"], ["k = 1\ndef f(): return k"]),
    "unused helper": (
        ["def helper(x): return x", "def unused(): return 1", USER],
        ["def helper(x): return x", "def unused(): return 2", USER],
    ),
    "unused global": (["k = 1", "def f(): return 1"], ["k = 2", "def f(): return 1"]),
    "attribute of the name of a global": (
        ["k = 1", "def f(x): return x.k"],
        ["k = 2", "def f(x): return x.k"],
    ),
    "local of the name of a global": (
        ["k = 1", "def f(k): return k"],
        ["k = 2", "def f(k): return k"],
    ),
    "quotes": (["def f(): return 'a'"], ['def f(): return "a"']),
    "sets of constants": (
        ["def f(x): return x in {'a', 'b', 'c'}"],
        ["def f(x): return x in {'a', 'b', 'c'}"],
    ),
    "recursion": (["def f(n): return f(n)"], ["def f(n): return f(n)"]),
    "inner class, moved": (
        [
            "def f():\n    class C:\n        def m(self): self.a = self.b = 5\n    return C, 3, 4"
        ],
        [
            "\n\ndef f():\n    class C:\n        def m(self): self.a = self.b = 5\n    return C, 3, 4"
        ],
    ),
    "class, moved": (
        ["class f:\n    def m(self): self.a = self.b = 5"],
        ["\n\n\nclass f:\n\n    def m(self): self.a = self.b = 5"],
    ),
    "lru_cache contents": (
        ["import functools\n@functools.lru_cache\ndef f(x): return x"],
        ["import functools\n@functools.lru_cache\ndef f(x): return x", "f(1)"],
    ),
    "singledispatch used": (
        ["import functools\n@functools.singledispatch\ndef f(x): return x"],
        ["import functools\n@functools.singledispatch\ndef f(x): return x", "f(1)"],
    ),
    "closures in a set": (
        [
            "def make(n):\n  return lambda: n\nf = frozenset([make(1), make(2), make(3)])"
        ],
        [
            "def make(n):\n  return lambda: n\nf = frozenset([make(3), make(2), make(1)])"
        ],
    ),
    "registry of functions": (
        ["R = {}\ndef f(): return R\nR['f'] = f"],
        ["R = {}\ndef f(): return R\nR['f'] = f"],
    ),
    "registry set of functions": (
        ["R = set()\ndef f(): return R\ndef g(): return 1\nR.add(f)\nR.add(g)"],
        ["R = set()\ndef g(): return 1\ndef f(): return R\nR.add(g)\nR.add(f)"],
    ),
    "called before": (
        ["def f(x): return [y + 1 for y in x]"],
        ["def f(x): return [y + 1 for y in x]", "for i in range(2000): f([1, 2])"],
    ),
}


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_code_that_may_act_differently_has_another_digest(pair):
    """Whatever a function does, holds or reaches is part of its digest."""
    one, other = pair

    assert digest_of("f", *one) != digest_of("f", *other)
    assert digest_of("f", *one) == digest_of("f", *one)


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL.keys())
def test_code_that_acts_alike_has_one_digest(pair):
    """Comments, layout, places and what is not reached do not matter."""
    one, other = pair

    assert digest_of("f", *one) == digest_of("f", *other)


def test_a_digest_does_not_depend_on_where_a_cycle_is_entered():
    """Each function of a cycle keeps its digest, whichever was asked for first."""
    cells = [
        "def f(n): return n and g(n)",
        "def g(n): return h(n)",
        "def h(n): return f(n)",
    ]
    one, other = session(*cells), session(*reversed(cells))

    first = [code_digest(one[name]) for name in "fgh"]
    last = [code_digest(other[name]) for name in "hgf"]

    assert first == last[::-1]
    assert len(set(first)) == 3


def test_a_rebound_global_is_seen_at_once():
    """A digest is of the present: no memory of an earlier one gets in its way."""
    scope = session("k = [1]\ndef f(): return k")
    before = code_digest(scope["f"])

    scope["k"].append(2)
    mutated = code_digest(scope["f"])
    scope["k"] = [1]

    assert mutated != before
    assert code_digest(scope["f"]) == before


def test_an_edit_and_its_undoing_lead_back():
    """The second A of A, B, A has the digest of the first."""
    a, b = "def f(): return 1", "def f(): return 2"

    digests = [digest_of("f", source) for source in (a, b, a)]

    assert digests[0] == digests[2] != digests[1]


def test_a_function_without_source_has_a_digest():
    """The loaded code is compared, so source is not needed."""
    scope = {"__name__": "__main__"}
    exec("def f(): return 1", scope)

    assert code_digest(scope["f"]) == digest_of("f", "def f(): return 1")


def test_a_global_without_content_is_named():
    """An unfingerprintable global raises with its name and its function's."""
    scope = session("def load(): return conn['db'][0]", conn={"db": [threading.Lock()]})

    with pytest.raises(Unfingerprintable) as caught:
        code_digest(scope["load"])

    assert caught.value.reason == "a lock"
    assert caught.value.path == "global 'conn' of function 'load'['db'][0]"


def test_a_closure_without_content_is_named():
    """An unfingerprintable closure raises with its name and its function's."""
    scope = session("def make(lock):\n  def f(): return lock\n  return f")

    with pytest.raises(Unfingerprintable, match=r"closure 'lock' of function 'make"):
        code_digest(scope["make"](threading.Lock()))


# --------------------------------------------------------------------- local modules


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes modules and imports them anew."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    written = set()

    def write(**sources):
        for name, source in sources.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(textwrap.dedent(source))
            written.add(name.split("__")[0])
        forget()

    def forget():
        for name in [name for name in sys.modules if name.split(".")[0] in written]:
            del sys.modules[name]
        importlib.invalidate_caches()

    write.forget = forget
    yield write
    forget()


USES = {
    "function": ["from lib_one import run", "def f(): return run()"],
    "attribute": ["import lib_one", "def f(): return lib_one.run()"],
    "module as a value": [
        "import lib_one",
        "def f(): return getattr(lib_one, 'run')()",
    ],
    "import inside": ["def f():\n    import lib_one\n    return lib_one.run()"],
    "from inside": ["def f():\n    from lib_one import run\n    return run()"],
}


@pytest.mark.parametrize("cells", USES.values(), ids=USES.keys())
def test_a_local_module_two_imports_deep_counts(project, cells):
    """An edit in a module that a local module imports changes the digest."""
    digests = []

    for constant in (1, 2, 1):
        project(
            lib_one="import lib_two\ndef run(): return lib_two.run()",
            lib_two="from lib_three import K\ndef run(): return K",
            lib_three=f"K = {constant}",
        )
        digests.append(digest_of("f", *cells))

    assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize("name", ["attribute", "function"])
def test_what_is_not_used_of_a_local_module_does_not_count(project, name):
    """An edit of another function of a local module keeps the digest."""
    digests = []

    for constant in (1, 2):
        project(lib_one=f"def run(): return 1\ndef other(): return {constant}")
        digests.append(digest_of("f", *USES[name]))

    assert digests[0] == digests[1]


def test_a_module_as_a_value_counts_whole(project):
    """A local module that is handed around counts with all that it holds."""
    digests = []

    for constant in (1, 2):
        project(lib_one=f"import json\ndef other(): return {constant}")
        digests.append(fingerprint(importlib.import_module("lib_one")))

    assert digests[0] != digests[1]


def test_an_attribute_that_a_local_module_lacks_is_no_error(project):
    """A name that a module does not have yet is digested as undefined."""
    project(lib_one="def run(): return 1")
    cells = ["import lib_one", "def f(): return lib_one.later()"]
    before = digest_of("f", *cells)

    importlib.import_module("lib_one").later = lambda: 1

    assert digest_of("f", *cells) != before


def test_an_edited_file_counts_when_it_is_loaded(project, tmp_path):
    """The code that runs is compared: a file counts from its reload on."""
    project(lib_one="def run(): return 1")
    scope = session(*USES["attribute"])
    before = code_digest(scope["f"])

    (tmp_path / "lib_one.py").write_text("def run(): return 2")
    edited = code_digest(scope["f"])
    importlib.reload(sys.modules["lib_one"])

    assert edited == before
    assert code_digest(scope["f"]) != before


def test_submodules_of_a_local_package_are_followed(project):
    """``pkg.inner.run`` is followed through the package to what is used."""
    digests = []

    for constant in (1, 2):
        project(
            pkg_local____init__="", pkg_local__inner=f"def run(): return {constant}"
        )
        digests.append(
            digest_of(
                "f", "import pkg_local.inner", "def f(): return pkg_local.inner.run()"
            )
        )

    assert digests[0] != digests[1]


def test_user_code_is_what_lies_outside_the_installed_packages(project):
    """The session and the user's files are local; libraries and nborch are not."""
    project(lib_one="")

    assert is_local("__main__")
    assert is_local("lib_one")
    assert not any(
        map(is_local, ("json", "sys", "numpy", "os.path", "nborch.cache.keys"))
    )


def test_libraries_are_known_by_distribution_and_version():
    """A library is named as its distribution, the standard library as Python."""
    import pandas as pd

    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"

    assert library_version("pandas.core.frame") == f"pandas {pd.__version__}"
    assert library_version("json.decoder") == f"python {minor}"


def test_another_version_of_a_library_is_another_digest(monkeypatch):
    """Code that uses a library depends on the library's version."""
    from nborch.cache.fingerprints import code

    cells = ["import numpy as np", "def f(x): return np.sum(x)"]
    before = digest_of("f", *cells)
    unrelated = digest_of("g", "def g(): return 1")

    monkeypatch.setattr(code, "library_version", lambda name: f"{name} 99")

    assert digest_of("f", *cells) != before
    assert digest_of("g", "def g(): return 1") == unrelated


# ------------------------------------------------------------------------ cell bodies


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x=1  # a comment"),
        ("x = 1\ny = 2", "x = 1\n\n\ny = 2\n"),
        ("f(1, 2)", "f(\n  1,\n  2,\n)"),
        ("x = 'a'", 'x = "a"'),
        ("x = (1)", "x = 1"),
    ],
)
def test_layout_is_no_part_of_a_cell(one, other):
    """Comments, blank lines and formatting keep a cell's digest."""
    assert ast_digest(one) == ast_digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 1", "x = '1'"),
        ("x = 'a'", "x = b'a'"),
        ("x = 0.0", "x = -0.0"),
        ("x = (1,)", "x = [1]"),
        ("x = 1", "y = 1"),
        ("x = 1\ny = 2", "y = 2\nx = 1"),
        ("'doc'", "'other'"),
        ("x = 1j", "x = 1"),
        ("x = u'a'", "x = 'a'"),
        ("f(a)", "f(*a)"),
    ],
)
def test_meaning_is_all_of_a_cell(one, other):
    """Any change that Python could notice changes a cell's digest."""
    assert ast_digest(one) != ast_digest(other)


# ------------------------------------------------------------------------------- keys


def test_parts_are_told_apart_by_limits_and_types():
    """The parts of a digest cannot flow into each other."""
    parts = [("ab", "c"), ("a", "bc"), ("abc",), (b"abc",), ("abc", ""), ("", "abc")]

    assert len({digest(*part) for part in parts}) == len(parts)


def test_a_key_depends_on_each_ingredient_and_on_no_order():
    """Body, options and inputs each change a key; the order of names does not."""
    base = cache_key(body="b", inputs={"x": "1", "y": "2"}, options={"v": "1"})
    others = [
        cache_key(body="c", inputs={"x": "1", "y": "2"}, options={"v": "1"}),
        cache_key(body="b", inputs={"x": "2", "y": "1"}, options={"v": "1"}),
        cache_key(body="b", inputs={"x": "1"}, options={"v": "1", "y": "2"}),
        cache_key(body="b", inputs={"x": "1", "y": "2"}, options={"v": "2"}),
        cache_key(body="b", inputs={"x": "1", "y": "2"}),
    ]

    assert base == cache_key(body="b", inputs={"y": "2", "x": "1"}, options={"v": "1"})
    assert len({base, *others}) == len(others) + 1


def test_the_library_wrapper_of_a_user_function_is_looked_into():
    """A library's decorator does not hide the function that it wraps."""
    import joblib

    scope = session("def g(x): return x\ndef h(x): return -x")

    one, other = (functools.singledispatch(scope[name]) for name in "gh")
    wrapped, also = (joblib.wrap_non_picklable_objects(scope[name]) for name in "gh")

    assert code_digest(one) != code_digest(other)
    assert code_digest(wrapped) != code_digest(also)
