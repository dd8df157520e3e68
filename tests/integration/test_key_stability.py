"""Fingerprints and digests are the same in every process, kernel and script."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]

#: Loads the case tables of the unit tests and prints a fingerprint for each case.
TABLES = """
import importlib.util, json, sys, warnings
from nborch.cache.code import code_digest
from nborch.cache.fingerprints import fingerprint

def load(name):
    spec = importlib.util.spec_from_file_location(name, f"{sys.argv[1]}/{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

data, code = load("test_fingerprints"), load("test_code_digests")
pairs = load("test_fingerprint_pairs")
found = {}
for table in ("DIFFERENT", "EQUAL"):
    for name, pair in getattr(data, table).items():
        found[f"data {table} {name}"] = [fingerprint(value) for value in pair]
    for name, pair in getattr(code, table).items():
        found[f"code {table} {name}"] = [code.digest_of("f", *cells) for cells in pair]
    for name, make in getattr(pairs, table).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[f"pair {table} {name}"] = [fingerprint(value) for value in make()]
print(json.dumps(found))
"""

#: What a user may define in a session, one cell after the other.
CELLS = [
    """
    import collections, dataclasses, enum, functools
    import numpy as np
    """,
    """
    class Color(enum.Enum):
        RED = "r"
        BLUE = "b"

    @dataclasses.dataclass
    class Row:
        name: str
        tags: set = dataclasses.field(default_factory=set)

    class Model:
        '''A model.'''
        kinds = {"a", "b", "c"}

        def __init__(self, rate):
            self.rate = rate
            self.extra = frozenset({"x", "y"})

        @property
        def double(self):
            return self.rate * 2

    Point = collections.namedtuple("Point", "x y")
    """,
    """
    NAMES = {"alpha", "beta", "gamma"}

    def make(n):
        return lambda x: x + n

    def memo(function):
        @functools.wraps(function)
        def inner(*args):
            return function(*args)
        return inner

    @memo
    def helper(row, *, allowed=frozenset({"p", "q"})):
        return row.tags & NAMES & allowed

    def load(rows):
        class Local:
            def __init__(self):
                self.b = self.a = 1
        return [helper(row) for row in rows if row.name in {"u", "v"}], Local
    """,
    """
    VALUES = [
        Color.RED, {Color.RED, Color.BLUE}, Row("a", {"t", "s"}), Model(0.5),
        {Point(1, 2), Point("a", "b")}, Color, Row, Model, Point, helper, load,
        make(3), {make(1), make(2)}, functools.partial(load, [Row("b")]),
        np.random.default_rng(3), (frozenset({"a", "b"}), 1),
    ]
    """,
    """
    import json
    from nborch.cache.fingerprints import fingerprint
    print(json.dumps([fingerprint(value) for value in VALUES]))
    """,
]


def run(source, *arguments, seed, folder):
    """Run a script in a process of its own and return what it printed as JSON."""
    script = folder / f"script_{seed}.py"
    script.write_text(source)
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, script, *arguments],
        env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def script_of_cells(cells):
    return "\n".join(map(textwrap.dedent, cells))


def test_the_case_tables_agree_over_processes_and_hash_seeds(tmp_path):
    """Every case has one fingerprint in all processes, whatever their hash order."""
    folder = str(ROOT / "tests" / "unit")

    one, two, three = (
        run(TABLES, folder, seed=seed, folder=tmp_path) for seed in (1, 2, 3)
    )

    assert {name for name in one if not one[name] == two[name] == three[name]} == set()
    assert len(one) > 250


def test_what_a_session_defines_agrees_over_processes(tmp_path):
    """Classes, functions and instances of ``__main__`` agree over hash seeds."""
    source = script_of_cells(CELLS)

    one, two, three = (run(source, seed=seed, folder=tmp_path) for seed in (1, 2, 3))

    assert one == two == three
    assert len(set(one)) == len(one)


def test_a_place_in_a_file_does_not_matter(tmp_path):
    """The same definitions further down in a longer file agree."""
    source = script_of_cells(CELLS)
    moved = "# a comment\n" * 300 + "import json\n" + source

    assert run(source, seed=1, folder=tmp_path) == run(moved, seed=2, folder=tmp_path)


@pytest.mark.slow
def test_a_kernel_and_a_script_agree(tmp_path, monkeypatch):
    """A notebook's definitions have the digests that a script's have."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(textwrap.dedent(cell).strip()) for cell in CELLS
        ]
    )
    resources = {"metadata": {"path": str(tmp_path)}}

    NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
    printed = json.loads(notebook.cells[-1].outputs[0].text)

    assert printed == run(script_of_cells(CELLS), seed=5, folder=tmp_path)
