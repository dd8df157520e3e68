"""Whatever happens to what is kept, a cell's values are right and it does not fail."""

import importlib.util
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path

import pytest

from nborch.cache.results import ResultCache
from nborch.exceptions import CacheWarning

HERE = Path(__file__).parent
SEED = int(os.environ.get("NBORCH_TEST_SEED", "20240229"))


def _shells():
    spec = importlib.util.spec_from_file_location("shells", HERE / "shells.py")
    module = sys.modules["shells"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shells = _shells()

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

#: A program that runs cells which it reads, a line of JSON for each, and tells of them.
PROGRAM = f"""
import json, os, sys, warnings
sys.path.insert(0, {str(HERE)!r})
import shells
shell = shells.Shell(".", nborch=True)
told = []
warnings.showwarning = lambda message, *_: told.append(str(message))
warnings.simplefilter("ignore")
warnings.simplefilter("always", shells.NborchWarning)
def say(**facts):
    os.write(1, (json.dumps(facts) + "\\n").encode())
say(ready=True)
for line in sys.stdin:
    cell = json.loads(line)
    if "python" in cell:
        exec(cell["python"], globals())
        continue
    shown = shell(cell["source"])
    say(outcome=shown.outcome, error=shown.error, shown=shown.parts, told=list(told))
    told.clear()
"""


class Program:
    """A notebook's kernel in a process of its own, which may be killed."""

    def __init__(self, process):
        self.process = process
        assert self.answer() == {"ready": True}, process.stderr.read()

    def send(self, source):
        self._write({"source": source})

    def python(self, code):
        """Do something to the process itself."""
        self._write({"python": code})

    def _write(self, cell):
        self.process.stdin.write(json.dumps(cell) + "\n")
        self.process.stdin.flush()

    def answer(self):
        return json.loads(self.process.stdout.readline() or "null")

    def __call__(self, source):
        self.send(source)
        answer = self.answer()
        assert answer is not None, self.process.stderr.read()
        return answer


@pytest.fixture
def program(home):
    """Start kernels that may be killed, with the home of this test."""
    started = []

    def start(**environ):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=home.folder.parent,
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), **environ},
        )
        started.append(process)
        return Program(process)

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            with suppress(BrokenPipeError):
                stream.close()


class Notebook:
    """A shell in this process that notes the warnings of each cell."""

    def __init__(self, folder):
        self.shell = shells.Shell(folder, nborch=True)
        self.warned = []

    def __call__(self, source):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", CacheWarning)
            shown = self.shell(source)
        self.warned = [str(warning.message) for warning in told]
        assert shown.error is None, shown
        return shown.outcome

    def __getitem__(self, name):
        return self.shell.names[name]


@pytest.fixture
def notebook(home, tmp_path):
    """A notebook in this process."""
    made = Notebook(tmp_path)
    yield made
    made.shell.close()


BIG = "%%task\nimport numpy as np\na = np.arange(50_000.0)\nb = [a, 'text', 2]"


def is_right(names):
    return len(names["a"]) == 50_000 == len(names["b"][0]) and names["a"][-1] == 49_999


# -- damage ----------------------------------------------------------------------------


def flipped(content):
    dice = random.Random(SEED)
    changed = bytearray(content)
    at = dice.randrange(8 * len(changed))
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def blob(folder):
    return max(folder.glob("cas/*/*"), key=lambda path: path.stat().st_size)


def rewrite(path, content):
    path.chmod(0o600)
    path.write_bytes(content)


def row(folder, change):
    """Change every row of the index."""
    with sqlite3.connect(folder / "index" / "cache.db") as base:
        for key, value in base.execute("SELECT key, value FROM Cache").fetchall():
            base.execute(
                "UPDATE Cache SET value = ? WHERE key = ?", (change(value), key)
            )
    base.close()


def junk(folder):
    for path in (folder / "index").glob("cache.db*"):
        path.write_bytes(b"junk" * 5_000)


#: What happens to the folder of what is kept, and how many warnings there may be.
DAMAGE = {
    "a flipped bit in a file": (lambda f: rewrite(blob(f), flipped(blob(f).read_bytes())), 1),
    "a truncated file": (lambda f: rewrite(blob(f), blob(f).read_bytes()[:99]), 1),
    "an empty file": (lambda f: rewrite(blob(f), b""), 1),
    "a missing file": (lambda f: blob(f).unlink(), 1),
    "a flipped bit in a row": (lambda f: row(f, flipped), 1),
    "a truncated row": (lambda f: row(f, lambda content: content[:40]), 1),
    "a spoiled index": (junk, 1),
    "no index": (lambda f: shutil.rmtree(f / "index"), 0),
    "no files": (lambda f: shutil.rmtree(f / "cas"), 1),
    "no folder": (shutil.rmtree, 0),
    "another secret": (lambda f: (f.parent / "secret.key").write_bytes(os.urandom(32)), 1),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_a_miss(home, notebook, tmp_path, what, monkeypatch):
    """A cell whose kept result is damaged, gone or another's runs again, with one
    warning at most, and is kept anew.
    """
    damage, most = DAMAGE[what]
    secret = home.settings.secret_file
    assert notebook(BIG) == "ran"
    assert notebook(BIG) == "cached"
    home.cache.close()

    if what == "another secret":
        rewrite(secret, os.urandom(len(secret.read_bytes())))
    else:
        damage(home.folder / "cache")
    notebook("a = b = None")
    second = notebook(BIG)
    warned = notebook.warned

    assert second == "ran"
    assert len(warned) <= most, warned
    assert is_right(notebook)
    assert notebook(BIG) == "cached"
    assert notebook.warned == []
    assert is_right(notebook)


def test_a_bit_anywhere(home, notebook):
    """Whichever bit of what is kept is flipped, the cell's values are right."""
    dice = random.Random(SEED)
    folder = home.folder / "cache"
    outcomes = set()

    for _ in range(25):
        notebook(BIG)
        home.cache.close()
        files = [*folder.glob("cas/*/*"), folder / "index" / "cache.db"]
        path = dice.choice(files)
        content = bytearray(path.read_bytes())
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        rewrite(path, bytes(content))
        notebook("a = b = None")
        outcomes.add(notebook(BIG))

        assert is_right(notebook), SEED
        assert len(notebook.warned) <= 1, SEED
    assert "ran" in outcomes


def test_a_foreign_result_is_not_used(home, notebook, tmp_path):
    """What another home has kept under the same key is not loaded."""
    assert notebook("%%task\ny = [1]") == "ran"
    (entry,) = home.cache.entries()
    foreign = ResultCache(tmp_path / "foreign", secret=b"f" * 32)
    foreign.keep(entry.key, {"names": {"y": "wrong"}}, meta=entry.meta, label="y")
    with sqlite3.connect(tmp_path / "foreign" / "index" / "cache.db") as base:
        ((planted,),) = base.execute("SELECT value FROM Cache")
    base.close()
    foreign.close()
    home.cache.close()

    row(home.folder / "cache", lambda _: planted)
    notebook("y = None")

    assert notebook("%%task\ny = [1]") == "ran"
    assert notebook["y"] == [1]
    assert len(notebook.warned) == 1


# -- no room, no rights -------------------------------------------------------------------


CELLS = [
    "%%task\nimport numpy as np\na = np.arange(300_000.0)\nprint('shown')",
    "%%task\ns = float(a.sum())",
    "%%task\nrows = ['x' * n for n in range(900)]\ns",
]


def check_cells(run):
    """Run the cells twice; return all warnings. They must do what plain cells do."""
    told = []
    for _ in range(2):
        for cell in CELLS:
            answer = run(cell)
            assert answer["error"] is None, answer
            told += answer["told"]
        looked = run("print(s == 44999850000.0, len(rows), len(a))")
        assert looked["shown"] == [["stdout", "True 900 300000\n"]]
    return told


@pytest.mark.parametrize("limit", [200_000, 1_000_000], ids=["index", "files"])
def test_a_full_disk(program, limit):
    """On a full disk cells do what plain cells do, with one warning of what is kept."""
    run = program()
    run("%%task\nwarm = 1")
    run.python(
        f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit},) * 2)"
    )

    told = check_cells(run)

    # The run store may be full, too, and says so once.
    assert [each for each in told if "run store" not in each] == [told[0]], told
    assert "full" in told[0]
    assert len(told) <= 2


#: Root may write anywhere: a kernel of root's gives that right up, and that alone.
GIVE_UP = """
import ctypes
class Head(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]
class Data(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint32) for n in ("effective", "permitted", "inheritable")]
head, data = Head(0x20080522, 0), (Data * 2)()
libc = ctypes.CDLL(None, use_errno=True)
assert libc.capget(ctypes.byref(head), data) == 0
data[0].effective &= ~0b110
assert libc.capset(ctypes.byref(head), data) == 0
"""


def rights_are_lost(folder, run):
    """Let nobody write in a folder."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        if sys.platform != "linux":
            pytest.skip("root may write anywhere")
        run.python(GIVE_UP)


def file_in_place(folder, _run):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cache").write_text("a file")


UNUSABLE = {
    "a read-only cache": lambda folder, run: rights_are_lost(folder / "cache", run),
    "a read-only home": rights_are_lost,
    "a file in place of the cache": file_in_place,
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_folder_that_cannot_be_used(home, program, what):
    """Where nothing can be kept, cells do what plain cells do, with one warning."""
    run = program()
    folder = home.folder
    if "file" not in what:
        (folder / "cache").mkdir(parents=True, mode=0o700)
    UNUSABLE[what](folder, run)

    told = check_cells(run)
    folder.chmod(0o755)

    assert len(told) == 1, told


def test_a_folder_that_vanishes(home, notebook):
    """A home that is removed between two cells is made again."""
    assert notebook(BIG) == "ran"

    shutil.rmtree(home.folder / "cache")
    notebook("a = b = None")
    second = notebook(BIG)

    assert second == "ran"
    assert is_right(notebook)
    assert notebook(BIG) == "cached"


def test_a_locked_index(home, notebook):
    """An index that another program holds delays a cell by seconds, once, and the
    cell runs.
    """
    assert notebook("%%task\ny = 1") == "ran"
    home.cache.close()
    holder = sqlite3.connect(
        home.folder / "cache" / "index" / "cache.db", isolation_level=None
    )
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")

    began = time.monotonic()
    outcomes = [notebook(f"%%task\nz = {n}") for n in range(3)]
    took = time.monotonic() - began
    holder.close()

    assert notebook["z"] == 2
    assert set(outcomes) <= {"ran", "uncached"}
    assert took < 12
    assert notebook("%%task\nz = 9") in {"ran", "uncached"}


def test_a_value_larger_than_the_cache(program, monkeypatch):
    """A result that is larger than the cache may be is not kept, and the badge says so."""
    run = program(NBORCH_CACHE_SIZE_LIMIT="1000")

    answer = run("%%task\nbig = b'x' * 5_000\nlen(big)")

    assert answer["outcome"] == "uncached"
    assert answer["told"] == []
    assert ["stdout", "Out[1]: 5000\n"] in answer["shown"]


# -- processes ------------------------------------------------------------------------


def test_killed_while_keeping(home, program, notebook):
    """A kernel killed at any time while it keeps a cell leaves all of it or nothing."""
    dice = random.Random(SEED)
    whole = []

    crowd = [program() for _ in range(3)]
    for turn, run in enumerate(crowd):
        cell = (
            "%%task\nimport os\nimport numpy as np\n"
            f"a = np.full(3_000_000, {turn}.0)\nb = a + 1\nsays = os.write(out, b'null\\n')"
        )
        run("out = 1")
        run.send(cell)
        assert run.answer() is None
        time.sleep(dice.random() * 0.12)
        run.process.kill()
        run.process.wait()
        notebook("a = b = None\nout = 1")
        outcome = notebook(cell)
        whole.append(outcome)
        assert (notebook["a"] == turn).all(), SEED
        assert (notebook["b"] == turn + 1).all(), SEED
        assert notebook.warned == []
    home.cache.close()
    notebook(BIG)  # whoever opens it next tidies up
    assert list((home.folder / "cache").glob("tmp/*")) == []


def test_four_processes_at_once(program):
    """Four kernels that run the same notebook at once execute each cell once, and all
    have the same values.
    """
    cells = [
        "%%task\nimport time\ntime.sleep(0.3)\nfirst = time.time_ns()",
        "%%task\nimport numpy as np\nsecond = np.full(20_000, first)",
        "%%task\nimport time\nthird = time.time_ns(), int(second.sum())",
    ]
    crowd = [program() for _ in range(4)]

    outcomes = []
    for cell in cells:
        for run in crowd:
            run.send(cell)
        outcomes.append(sorted(run.answer()["outcome"] for run in crowd))
    values = {str(run("print(first, third, second[0])")["shown"]) for run in crowd}

    assert outcomes == [["cached"] * 3 + ["ran"]] * 3
    assert len(values) == 1


def test_eviction_under_a_mapped_array(home, notebook):
    """An array in use stays right when its file is evicted, and the cell runs again."""
    cell = "%%task\nimport numpy as np\na = np.arange(300_000.0)"
    notebook(cell)
    assert notebook(cell) == "cached"

    gc = [sys.executable, "-m", "nborch", "cache", "gc", "--max-size", "0"]
    subprocess.run(gc, check=True, capture_output=True)
    left = list((home.folder / "cache").glob("cas/*/*"))
    array = notebook["a"]
    array[0] = 7

    assert left == []
    assert array[1:].sum() == 44999850000.0
    assert notebook(cell) == "ran"
    assert notebook.warned == []
    assert notebook["a"].sum() == 44999850000.0
    assert array[0] == 7
