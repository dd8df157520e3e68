"""What cells in the background are made of: scopes, effects, parcels, badges."""

import subprocess
import sys

import numpy as np
import pytest

from nborch.cache.picklers import Unstorable
from nborch.cache.serializers import dump, load
from nborch.notebook.analysis import analyse
from nborch.notebook.background.parcels import Home, packed, unpacked
from nborch.notebook.background.reaching import obstacle_to_threads, reach
from nborch.notebook.background.scopes import Scope, effect_on
from nborch.notebook.background.stages import Stage, Standing
from nborch.view.badge import Badge, Outcome

# Scopes.


def test_a_scope_is_apart_until_it_is_opened():
    """Code in a scope binds nothing outside; functions made in it see the live names."""
    live = {"x": 1}
    scope = Scope(live)
    exec("y = x + 1\ndef f(): return x, y, len([])", scope)
    assert live == {"x": 1}
    assert scope["f"]() == (1, 2, 0)
    f = scope["f"]

    live |= {"x": 10, "y": 20}
    scope.open(live)

    assert f() == (10, 20, 0)
    with pytest.raises(NameError):
        exec("nothing", scope)


def test_an_effect_leaves_alone_what_others_have_bound():
    """Names that are not as they were are left, unless an earlier cell bound them."""
    before = {"a": 1, "b": 2, "gone": 3}
    effect = effect_on(before, {"a": 10, "b": 20, "c": 30})
    names = {**before, "a": "mine"}

    left = effect.apply(names)

    assert left == ["a"]
    assert names == {"a": "mine", "b": 20, "c": 30}
    names = {**before, "a": "earlier"}
    assert effect.apply(names, since={"a": "earlier"}) == []
    assert names == {"a": 10, "b": 20, "c": 30}
    names = dict(before)
    assert effect.apply(names, lambda name: name != "c") == ["c"]


def test_an_effect_replaces_an_object_under_all_its_names():
    """Whoever was bound to an object that was changed elsewhere gets the new one."""
    old, new = [1], [1, 2]
    effect = effect_on({"rows": old}, {"rows": new}, replaced=[(old, new)])
    names = {"rows": old, "later": old, "other": [1]}

    assert effect.apply(names) == []

    assert names["rows"] is names["later"] is new
    assert names["other"] == [1]


# What is reached.

NOTEBOOK = """
import functools
k = 1
def reads(): return rows
def calls(): return reads()
def binds():
    global total
    total = 1
class Model:
    def fit(self): return rows
    @property
    def size(self): return len(rows)
model = Model()
held = {"f": [calls]}
part = functools.partial(calls)
@functools.lru_cache
def remembered(): return rows
bound = model.fit
closure = (lambda f: lambda: f())(reads)
def default(f=reads): return 1
def clean(v): return v + k
plain = [1, 2]
"""


@pytest.fixture
def notebook():
    """The names of a small notebook."""
    names = {"__name__": "__main__"}
    exec(NOTEBOOK, names)
    return names


@pytest.mark.parametrize(
    ("name", "is_reached"),
    [
        *[
            (name, True)
            for name in ("reads", "calls", "Model", "model", "held", "part")
        ],
        *[
            (name, True)
            for name in ("remembered", "bound", "closure", "default", "rows")
        ],
        *[(name, False) for name in ("clean", "plain", "binds", "undefined")],
    ],
)
def test_what_a_name_leads_to(notebook, name, is_reached):
    """A pending name is reached through functions, methods, containers and closures."""
    assert bool(reach([name], notebook, ["rows"])) == is_reached


@pytest.mark.parametrize(
    ("body", "obstacle"),
    [
        ("y = clean(1)", None),
        ("k = 2\ny = clean(1)", "`clean` looks up `k`, which the cell binds"),
        ("binds()", "`binds` binds the global name `total`"),
        ("def f():\n    global z\n    z = 1", "has functions that bind global names"),
        ("x = get_ipython()", "uses magics, which work on the notebook's own names"),
        ("y = [k for k in plain]", None),
    ],
)
def test_what_cannot_run_in_a_thread(notebook, body, obstacle):
    """A cell runs on names of its own only if no older function shares its names."""
    assert obstacle_to_threads(analyse(body), body, notebook) == obstacle


# Parcels.

VALUES = """
import dataclasses, enum, functools
K = 3
def g(v): return v + K
class P:
    "A point."
    count = 0
    def __init__(self, v): self.v = v
    def m(self): return g(self.v)
class Sub(P):
    def __eq__(self, other): return True
    def m(self): return super().m() + 1
    @property
    def a(self): return 1
    @staticmethod
    def s(): return 2
@dataclasses.dataclass
class D:
    a: int = 1
    b: list = dataclasses.field(default_factory=list)
class S:
    __slots__ = ("a", "b")
class E(enum.Enum):
    A = 1
@functools.lru_cache
def remembered(v): return g(v)
p, sub, d, s, e = P(2), Sub(1), D(5), S(), E.A
lam, part, bound = (lambda q: q + K), functools.partial(g, 1), p.m
data = {"a": [1, (2.5, None)], "b": {1, 2}}
"""
NAMES = [
    "p",
    "sub",
    "d",
    "s",
    "e",
    "lam",
    "part",
    "bound",
    "remembered",
    "data",
    "P",
    "Sub",
    "D",
    "E",
    "g",
]

MAIN = """
import pickle, sys, types
main = types.ModuleType("__main__")
sys.modules["__main__"], names = main, vars(main)
from nborch.cache.fingerprints import fingerprint
from nborch.notebook.background.parcels import Home, packed, unpacked
"""
WRITER = f"""
{MAIN}
exec({VALUES!r}, names)
told = {{name: fingerprint(names[name]) for name in {NAMES!r}}}
home = Home(names, names)
parcels = {{n: (told[n], packed({{n: names[n]}}, home)) for n in told}}
pickle.dump(parcels, open(sys.argv[1], "wb"))
"""
READER = f"""
{MAIN}
for name, (known, parcel) in pickle.load(open(sys.argv[1], "rb")).items():
    for each in [n for n in names if not n.startswith("__")]:
        del names[each]
    names.update(unpacked(parcel, Home(names, names)))
    if fingerprint(names[name]) != known:
        print(name)
print(names["g"](1))
"""


def test_values_arrive_as_they_were(tmp_path):
    """Values, classes and functions have the same fingerprint in another process."""
    path = tmp_path / "parcels"
    subprocess.run([sys.executable, "-c", WRITER, path], check=True)

    read = [sys.executable, "-c", READER, path]
    done = subprocess.run(read, capture_output=True, text=True, check=True)

    # What differs, and what the last of the functions returns.
    assert done.stdout.split() == ["4"]


def test_large_memory_stays_beside_the_pickle():
    """Arrays of a parcel are buffers of the entry that it is kept as, and share memory."""
    big = np.arange(50_000.0)
    parcel = packed({"a": big, "b": big[10:]}, Home({}, {}))

    stored = dump(parcel)
    again = unpacked(load(stored.body, stored.buffers), Home({}, {}))

    assert len(stored.body) < 5_000
    assert len(stored.buffers) == 1
    assert (again["b"] == big[10:]).all()
    assert np.shares_memory(again["a"], again["b"])


def test_what_lives_here_does_not_travel():
    """A generator or an open file makes no parcel."""
    with pytest.raises(Unstorable, match="generator"):
        packed({"rows": {"it": (i for i in [])}}, Home({}, {}))


# Badges.


@pytest.mark.parametrize("stage", [s for s in Stage if s is not Stage.COMPLETED])
def test_every_stage_has_a_badge(stage):
    """Every stage is an outcome that badges know."""
    badge = Standing("t", stage, "process", 1.0, error=ValueError()).badge()

    assert badge.outcome == stage.value
    assert Outcome.of(badge.outcome)
    assert ("1.0 s" in str(badge)) == stage.is_over


def test_the_badge_of_a_stage_says_where_and_why():
    """A thread says why it is no process; a cell that ran says what its own badge does."""
    running = Standing("t", Stage.RUNNING, "thread", 1.0, "reads a lock").badge()
    waiting = Standing(
        "t", Stage.WAITING, "process", waits=["for `x` (task a)"]
    ).badge()
    done = Standing(
        "t",
        Stage.COMPLETED,
        "process",
        2.0,
        notes=["noted"],
        made=Badge("t", "ran", 2.0),
    ).badge()

    assert str(running) == "running · thread · reads a lock"
    assert str(waiting) == "waiting · for `x` (task a)"
    assert str(done) == "ran · 2.0 s · noted"
