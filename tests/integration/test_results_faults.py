"""Whatever happens to a result cache, its results are right or absent."""

import contextvars
import errno
import os
import pickle
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nborch.cache import claims, places
from nborch.cache.manifests import Manifest, Part, RowDamaged, RowForeign, Signer
from nborch.cache.results import EntryUnusable, ResultCache
from nborch.exceptions import CacheWarning

ROOT = Path(__file__).parents[2]
SECRET = b"s" * 32
SEED = int(os.environ.get("NBORCH_TEST_SEED", "20240229"))
OPEN = (
    "import os, sys, time, threading; from pathlib import Path\n"
    "import numpy as np\n"
    "from nborch.cache.results import ResultCache\n"
    "cache = ResultCache(Path(sys.argv[1]), secret=b's' * 32)\n"
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def cache(folder):
    cache = ResultCache(folder, secret=SECRET)
    yield cache
    cache.close()


_started = []


@pytest.fixture(autouse=True)
def _no_process_is_left():
    yield
    while _started:
        process = _started.pop()
        process.kill()
        process.communicate()


def start(script, folder, *arguments, **options):
    """Start a script in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN + script, str(folder), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )
    _started.append(process)
    return process


def finished(process, errors=""):
    """Return what a process printed, once it has ended well."""
    output, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert errors in told if errors else told == "", told
    return output


def said(process, line):
    """Wait until a process has printed a line."""
    assert process.stdout.readline().strip() == line


def found(folder, key="key", part="value"):
    """Return what a newly opened cache gives for a key, and its warnings."""
    cache = ResultCache(folder, secret=SECRET)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            entry = cache.lookup(key)
            value = None if entry is None else entry.load(part)
        except EntryUnusable:
            value = None
    cache.close()
    assert all(warning.category is CacheWarning for warning in told), told
    return value, [str(warning.message) for warning in told]


def blob(folder):
    """Return the largest file of the store."""
    return max((folder / "cas").glob("*/*"), key=lambda path: path.stat().st_size)


def rewrite(path, content):
    """Put other bytes into a file in place, as a bad disk or a wild program would."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(content)
        file.truncate(len(content))


def stored_row(folder, key="key"):
    with sqlite3.connect(folder / "index" / "cache.db") as base:
        ((row,),) = base.execute("SELECT value FROM Cache WHERE key = ?", (key,))
    base.close()
    return row


def plant_row(folder, row, key="key", mode=1):
    with sqlite3.connect(folder / "index" / "cache.db") as base:
        base.execute(
            "UPDATE Cache SET value = ?, mode = ? WHERE key = ?", (row, mode, key)
        )
    base.close()


def flipped(content, at):
    """Return the bytes with one bit changed."""
    changed = bytearray(content)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


# -- damage ----------------------------------------------------------------------

VALUES = {
    "number": 12345,
    "list in the row": ["text", 1.5] * 50,
    "pickle in a file": [f"text {n}" for n in range(20_000)],
    "array": np.arange(20_000),
    "frame": pd.DataFrame({"n": np.arange(20_000), "t": pd.Timestamp("2020")}),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_flipped_bit_in_a_row_is_a_miss(cache, folder, value):
    """Any changed bit of a row makes a miss with one warning, never another value."""
    cache.keep("key", {"value": value})
    row = stored_row(folder)
    dice = random.Random(SEED)

    for _ in range(60):
        plant_row(folder, flipped(row, dice.randrange(8 * len(row))))
        value_found, told = found(folder)
        assert value_found is None, SEED
        assert len(told) == 1, SEED
        cache.keep("key", {"value": value})


def test_every_bit_of_a_row_counts():
    """There is no bit of a row whose change goes unnoticed."""
    signer = Signer(SECRET, "store")
    row = signer.pack(Manifest("key", "label", 1.0, 2.0, parts={"x": Part(b"N.")}))
    assert signer.unpack("key", row).parts["x"].body == b"N."

    for at in range(8 * len(row)):
        with pytest.raises((RowDamaged, RowForeign)):
            signer.unpack("key", flipped(row, at))
    for length in range(len(row)):
        with pytest.raises((RowDamaged, RowForeign)):
            signer.unpack("key", row[:length])


@pytest.mark.parametrize("name", ["pickle in a file", "array", "frame"])
def test_a_flipped_bit_in_a_file_is_a_miss(cache, folder, name):
    """Any changed bit of a file makes a miss with one warning, never another value."""
    value = VALUES[name]
    dice = random.Random(SEED)

    for _ in range(100):
        cache.keep("key", {"value": value})
        path = blob(folder)
        good = path.read_bytes()
        rewrite(path, flipped(good, dice.randrange(8 * len(good))))
        value_found, told = found(folder)
        assert value_found is None, SEED
        assert len(told) == 1, SEED
        assert "damaged (its bytes have changed)" in told[0]
        assert not path.exists()


def test_a_truncated_file_is_a_miss(cache, folder):
    """A file of any shorter length makes a miss with one warning."""
    for percent in range(100):
        cache.keep("key", {"value": VALUES["array"]})
        path = blob(folder)
        content = path.read_bytes()
        rewrite(path, content[: len(content) * percent // 100])

        value_found, told = found(folder)

        assert value_found is None
        assert len(told) == 1


def test_a_missing_file_is_a_miss(cache, folder):
    """A file that is gone makes a miss, and keeping the result again mends it."""
    cache.keep("key", {"value": VALUES["array"]}, label="count")
    blob(folder).unlink()

    value_found, told = found(folder)
    cache.keep("key", {"value": VALUES["array"]})

    assert value_found is None
    assert len(told) == 1
    assert "'count' was damaged (its file is gone" in told[0]
    assert (found(folder)[0] == VALUES["array"]).all()


def test_damage_is_seen_at_the_lookup(cache, folder):
    """A lookup finds a missing or a changed file; nothing needs to be loaded."""
    cache.keep("gone", {"value": VALUES["array"]})
    blob(folder).unlink()
    cache.keep("changed", {"value": VALUES["frame"]})
    rewrite(blob(folder), bytes(160_000))

    for key in ("gone", "changed"):
        with pytest.warns(CacheWarning, match="was damaged"):
            assert cache.lookup(key) is None


def test_a_damaged_file_is_not_reused(cache, folder):
    """A file of the right name and the wrong bytes is written anew."""
    cache.keep("old", {"value": VALUES["array"]})
    rewrite(blob(folder), bytes(160_000))

    other = ResultCache(folder, secret=SECRET)
    other.keep("key", {"value": VALUES["array"]})
    cache.keep("again", {"value": VALUES["array"]})
    other.close()

    assert (found(folder)[0] == VALUES["array"]).all()
    assert (found(folder, "again")[0] == VALUES["array"]).all()


def test_damage_between_lookup_and_load_is_seen(cache, folder):
    """A file that is damaged after the lookup makes the entry unusable."""
    cache.keep("key", {"value": VALUES["array"]})
    entry = cache.lookup("key")
    rewrite(blob(folder), bytes(160_000))

    with (
        pytest.warns(CacheWarning, match="its bytes have changed"),
        pytest.raises(EntryUnusable, match="was damaged"),
    ):
        entry.load("value")
    assert cache.lookup("key") is None


def test_flips_anywhere_in_the_index_file_do_no_harm(cache, folder):
    """A bit changed anywhere in the index's file gives the right value or none."""
    dice = random.Random(SEED)
    path = folder / "index" / "cache.db"

    for _ in range(60):
        cache.keep("key", {"value": ["right", 1]})
        cache.close()
        content = path.read_bytes()
        rewrite(path, flipped(content, dice.randrange(8 * len(content))))

        assert found(folder)[0] in (None, ["right", 1]), SEED


JUNK = {
    "junk": lambda content: b"junk" * 5_000,
    "half": lambda content: content[: len(content) // 2],
    "header": lambda content: b"\xff" * 100 + content[100:],
    "page": lambda content: content[:4096] + os.urandom(4096) + content[8192:],
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("spoil", JUNK.values(), ids=JUNK.keys())
@pytest.mark.parametrize("is_open", [True, False], ids=["while open", "while closed"])
def test_a_spoiled_index_is_rebuilt(cache, folder, spoil, is_open):
    """An index that is no database is moved aside, and results are kept in a new one."""
    for n in range(200):
        cache.keep(f"key {n}", {"value": n})
    if not is_open:
        cache.close()
    path = folder / "index" / "cache.db"
    rewrite(path, spoil(path.read_bytes()))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")

        values = [cache.lookup(f"key {n}") for n in range(200)]
        for _ in range(3):
            # An open connection may still work on what it has in memory; whoever
            # opens the file next finds it spoiled.
            cache.keep("key", {"value": 1})
            found(folder)

        cache.close()
        cache.keep("key", {"value": 1})

    assert all(e is None or e.load("value") == n for n, e in enumerate(values))
    assert len([w for w in told if "moved to" in str(w.message)]) <= 1
    assert found(folder) == (1, [])
    assert cache.lookup("key").load("value") == 1


def test_an_index_that_vanishes_is_made_again(cache, folder):
    """A cache whose folder is removed while in use goes on with a new one."""
    cache.keep("key", {"value": VALUES["array"]})

    shutil.rmtree(folder / "index")
    cache.keep("key", {"value": VALUES["array"]})
    without_index = found(folder)[0]
    shutil.rmtree(folder)
    after = cache.lookup("key")
    cache.keep("key", {"value": VALUES["array"]})

    assert (without_index == VALUES["array"]).all()
    assert after is None
    assert (found(folder)[0] == VALUES["array"]).all()


# -- attacks -----------------------------------------------------------------------


class Bomb:
    """A pickle that leaves a trace if it is loaded."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_a_planted_pickle_is_never_loaded(cache, folder, tmp_path):
    """Bytes that were not signed here are refused before any pickle is read."""
    trace = tmp_path / "trace"
    bomb = pickle.dumps(Bomb(trace))
    cache.keep("key", {"value": 1})
    good = stored_row(folder)
    stranger = ResultCache(tmp_path / "other", secret=b"x" * 32)
    stranger.keep("key", {"value": Bomb(trace)})
    same_user = ResultCache(tmp_path / "third", secret=SECRET)
    same_user.keep("key", {"value": Bomb(trace)})
    cache.keep("another", {"value": Bomb(trace)})
    rows = {
        "bare": (bomb, 1),
        "as diskcache's pickle": (bomb, 4),
        "behind our header": (good[:44] + bomb, 1),
        "signed by another": (stored_row(tmp_path / "other"), 1),
        "from another store": (stored_row(tmp_path / "third"), 1),
        "from another store, relabelled": (
            good[:12] + stored_row(tmp_path / "third")[12:],
            1,
        ),
        "of another key": (stored_row(folder, "another"), 1),
        "empty": (b"", 1),
        "a number": (5, 1),
        "text": ("text", 1),
    }

    for name, (row, mode) in rows.items():
        plant_row(folder, row, mode=mode)
        value, told = found(folder)
        assert value is None, name
        assert len(told) == 1, name
        cache.keep("key", {"value": 1})

    assert not trace.exists()
    assert found(folder)[0] == 1
    stranger.close()
    same_user.close()


def test_a_planted_key_or_file_name_is_not_used(cache, folder, tmp_path):
    """A row's key is never unpickled, and its file name never opened or removed."""
    trace, precious = tmp_path / "trace", tmp_path / "precious"
    precious.write_bytes(pickle.dumps(Bomb(trace)))
    cache.keep("key", {"value": 1})
    with sqlite3.connect(folder / "index" / "cache.db") as base:
        base.execute(
            "UPDATE Cache SET filename = ?, mode = 4, value = NULL", (str(precious),)
        )
        base.execute(
            "INSERT INTO Cache (key, raw, mode, value) VALUES (?, 0, 1, ?)",
            (pickle.dumps(Bomb(trace)), b"row"),
        )
    base.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert cache.lookup("key") is None
        assert list(cache.entries()) == []
        cache.verify()
        cache.collect()
        cache.keep("key", {"value": 2})

    assert not trace.exists()
    assert precious.exists()
    assert cache.lookup("key").load("value") == 2


def test_a_planted_file_is_never_loaded(cache, folder, tmp_path):
    """A pickle in a file that was exchanged for another is refused."""
    trace = tmp_path / "trace"
    cache.keep("key", {"value": VALUES["pickle in a file"]})
    path = blob(folder)
    bomb = pickle.dumps(Bomb(trace))
    planted = path.with_name("planted")
    planted.write_bytes(bomb.ljust(path.stat().st_size, b" "))
    planted.replace(path)

    value, told = found(folder)

    assert value is None
    assert len(told) == 1
    assert not trace.exists()


def test_a_link_in_place_of_a_file_is_refused(cache, folder, tmp_path):
    """A symbolic link in place of a file is not followed."""
    cache.keep("key", {"value": VALUES["array"]})
    path = blob(folder)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    assert found(folder)[0] is None


def test_another_secret_finds_nothing_and_says_it_once(cache, folder):
    """When the secret has changed all results are misses, with one warning in all."""
    for n in range(20):
        cache.keep(f"key {n}", {"value": n})
    other = ResultCache(folder, secret=b"x" * 32)

    with pytest.warns(CacheWarning, match="before the secret changed") as told:
        assert [other.lookup(f"key {n}") for n in range(20)] == [None] * 20

    assert len(told) == 1
    assert cache.lookup("key 3").load("value") == 3
    other.close()


UNTRUSTED = {
    "readable": lambda path: path.chmod(0o644),
    "short": lambda path: path.write_bytes(b"short"),
    "empty": lambda path: path.write_bytes(b""),
    "link": lambda path: path.symlink_to(path.rename(path.with_name("x"))),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("spoil", UNTRUSTED.values(), ids=UNTRUSTED.keys())
def test_a_secret_that_others_know_is_not_used(tmp_path, spoil):
    """A secret file that is no private file of the right length is refused."""
    secret_file = tmp_path / "own" / "secret"
    cache = ResultCache(tmp_path / "cache", secret_file=secret_file)
    cache.keep("key", {"value": 1})
    cache.close()
    spoil(secret_file)

    with pytest.warns(CacheWarning, match=r"is not used\. .*secret'") as told:
        kept = [cache.keep("key", {"value": 1}) for _ in range(2)]

    assert kept == [None, None]
    assert len(told) == 1


def test_a_folder_open_to_everyone_is_not_used(folder):
    """A folder that every user can write to is refused with the command that helps."""
    folder.mkdir()
    folder.chmod(0o777)
    cache = ResultCache(folder, secret=SECRET)

    with pytest.warns(CacheWarning, match="chmod 700"):
        assert cache.keep("key", {"value": 1}) is None
    folder.chmod(0o700)

    assert cache.keep("key", {"value": 1}) is not None
    cache.close()


# -- values and places that cannot be used ----------------------------------------------


class Spiteful:
    def __init__(self, how):
        self.how = how

    def __reduce__(self):
        if self.how == "store":
            raise MemoryError
        return Spiteful._rebuild, ()

    @staticmethod
    def _rebuild():
        raise ZeroDivisionError("never again")


def test_an_unstorable_value_is_told_with_its_place(cache):
    """A value that cannot be stored is not kept; one warning names where and why."""
    value = {"rows": [1, threading.Lock()]}

    with pytest.warns(CacheWarning) as told:
        assert cache.keep("key", {"value": value}, label="open") is None

    assert len(told) == 1
    assert "'open' was not kept: a lock cannot be stored" in str(told[0].message)
    assert "(at value['rows'][1])" in str(told[0].message)
    assert "switch the cache off" in str(told[0].message)
    assert cache.lookup("key") is None


def test_a_value_that_defies_pickling_does_no_harm(cache):
    """Errors in a value's own code make no entry, or an unusable one."""
    with pytest.warns(CacheWarning, match="MemoryError"):
        assert cache.keep("key", {"value": Spiteful("store")}) is None
    entry = cache.keep("key", {"value": Spiteful("load")})

    with pytest.raises(EntryUnusable, match="ZeroDivisionError: never again"):
        entry.load("value")


def test_a_file_in_place_of_the_folder(tmp_path):
    """A cache whose path is a file keeps nothing and says once what to change."""
    (tmp_path / "cache").write_text("a file")
    cache = ResultCache(tmp_path / "cache", secret=SECRET)

    def use():
        for _ in range(3):
            assert cache.lookup("key") is None
            assert cache.keep("key", {"value": np.arange(20_000)}) is None
            with cache.claim("key") as alone:
                assert alone  # nobody to wait for: each computes

    with pytest.warns(CacheWarning, match="Choose another folder") as told:
        use()

    assert len(told) == 1
    assert (tmp_path / "cache").read_text() == "a file"


def test_a_read_only_folder():
    """In a folder that cannot be written, nothing is kept and one warning is given."""
    # Not pytest's own folder: the user to whom root steps down cannot enter that.
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        folder = Path(home, "cache")
        folder.mkdir(mode=0o555)
        if os.geteuid() == 0:
            os.chown(folder, 65534, 65534)
        process = start(
            "import warnings, diskcache, xxhash, cloudpickle\n"
            "if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)\n"
            "with warnings.catch_warnings(record=True) as told:\n"
            "    warnings.simplefilter('always')\n"
            "    for _ in range(3):\n"
            "        assert cache.keep('key', {'value': np.arange(20_000)}) is None\n"
            "        assert cache.lookup('key') is None\n"
            "        with cache.claim('key') as alone: assert alone\n"
            "print(len(told), told[0].message)",
            folder,
        )

        output = finished(process)

        assert output.startswith("1 ")
        assert "Make the folder writable" in output
        assert list(folder.iterdir()) == []


def test_a_full_disk(folder):
    """On a full disk results are not kept, with one warning, until there is room."""
    process = start(
        "import resource, warnings\n"
        "cache.keep('small', {'value': 1})\n"
        "soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))\n"
        "big = {'value': [np.arange(100_000), np.ones(1_000_000)]}\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    for n in range(5): assert cache.keep(f'big {n}', big) is None\n"
        "print(len(told), told[0].message)\n"
        "print(cache.lookup('small').load('value'))\n"
        "print(sorted(p.name for p in Path(sys.argv[1]).glob('tmp/*')))\n"
        "print(cache.stats().blobs)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))\n"
        "print(cache.keep('big', big).load('value')[1].sum())",
        folder,
    )

    told, small, temporary, blobs, big = finished(process).splitlines()

    assert told.startswith("1 ")
    assert "is full" in told
    assert (small, temporary, blobs, big) == ("1", "[]", "0", "1000000.0")


def test_a_full_disk_for_the_index(folder):
    """When not even a row can be written, nothing is kept and nothing raises."""
    process = start(
        "import resource, warnings\n"
        "cache.keep('key', {'value': 1})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000,) * 2)\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    kept = [cache.keep(f'{n}', {'value': 'x' * 60_000}) for n in range(9)]\n"
        "print(len(told), None in kept)",
        folder,
    )

    assert finished(process).split() == ["1", "True"]


@pytest.mark.parametrize("mode", ["NORMAL", "EXCLUSIVE"])
def test_a_foreign_lock_costs_seconds_once(cache, folder, mode):
    """A database that another program holds is left alone after at most 5 seconds."""
    cache.keep("key", {"value": 1})
    if mode == "EXCLUSIVE":
        cache.close()  # such a lock can only be had before others open the file
    holder = start(
        "import sqlite3\n"
        "base = sqlite3.connect(sys.argv[1] + '/index/cache.db', isolation_level=None)\n"
        f"base.execute('PRAGMA locking_mode={mode}')\n"
        "base.execute('BEGIN EXCLUSIVE')\nprint('locked', flush=True)\n"
        "sys.stdin.read()",
        folder,
        stdin=subprocess.PIPE,
    )
    said(holder, "locked")

    began = time.monotonic()
    with pytest.warns(CacheWarning, match="has locked") as told:
        kept = [cache.keep(f"new {n}", {"value": n}) for n in range(20)]
    waited = time.monotonic() - began
    if mode == "NORMAL":
        assert cache.lookup("key").load("value") == 1
    fresh = ResultCache(folder, secret=SECRET)
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fresh.lookup("key")
    opened = time.monotonic() - began
    holder.communicate("")

    assert set(kept) == {None}
    assert waited < 5
    assert opened < 5
    assert len(told) == 1
    fresh.close()


# -- processes that die ---------------------------------------------------------------


def test_a_process_killed_before_the_row_leaves_nothing(cache, folder):
    """Files whose row was never written are gone after the next opening."""
    process = start(
        "cache._index.put = lambda *_: os.kill(os.getpid(), 9)\n"
        "cache.keep('key', {'value': np.arange(50_000)})",
        folder,
    )
    process.communicate()
    left = list(folder.glob("cas/*/*"))
    cache.keep("other", {"value": 1})

    assert len(left) == 1
    assert found(folder) == (None, [])
    assert list(folder.glob("cas/*/*")) == []
    assert list(folder.glob("tmp/*")) == []


def test_a_process_killed_while_writing_leaves_nothing(cache, folder):
    """A killed writer leaves a whole result or none, and no garbage."""
    cache.keep("other", {"value": 1})
    cache.close()
    dice = random.Random(SEED)
    writer = (
        "value = [np.full(4_000_000, n + float(sys.argv[2])) for n in range(2)]\n"
        "print('ready', flush=True)\n"
        "cache.keep('key', {'value': value})\n"
        "print('kept', flush=True); time.sleep(60)"
    )

    interrupted = 0
    for n in range(8):
        process = start(writer, folder, n)
        said(process, "ready")
        time.sleep(dice.random() * 0.08)
        process.kill()
        was_kept = "kept" in process.communicate()[0]
        value, told = found(folder)
        interrupted += value is None
        if value is not None:
            assert [array.mean() for array in value] == [n, n + 1], SEED
        assert not (was_kept and value is None)
        assert told == []
        assert list(folder.glob("tmp/*")) == []
        held = sum(p.stat().st_size for p in folder.glob("cas/*/*"))
        assert held == (0 if value is None else 64_000_000)
        del value
        cache.forget("key")
        cache.collect()

    assert interrupted, "no write was interrupted"
    assert found(folder, "other")[0] == 1


def test_kills_in_a_storm_of_writes_lose_nothing(folder):
    """What a process was told to be kept is found after it was killed."""
    writer = (
        "for n in range(10_000):\n"
        "    value = [sys.argv[2], n, np.full(10_000 * (n % 2), n)]\n"
        "    if cache.keep(f'{sys.argv[2]} {n}', {'value': value}):\n"
        "        os.write(1, f'{n}\\n'.encode())\n"
    )
    acknowledged = []
    for turn in range(2):
        processes = [start(writer, folder, f"{turn}.{n}") for n in range(3)]
        for process in processes:
            said(process, "0")
        time.sleep(0.3 + 0.1 * turn)
        for process in processes:
            process.kill()
        for n, process in enumerate(processes):
            told = process.communicate()[0].splitlines()
            acknowledged += [(f"{turn}.{n}", int(line)) for line in ["0", *told]]

    cache = ResultCache(folder, secret=SECRET)
    for name, n in acknowledged:
        value = cache.lookup(f"{name} {n}").load("value")
        assert value[:2] == [name, n]
        assert (value[2] == n).all()
    cache.collect()
    needed = {b.digest for e in cache.entries() for b in e._manifest.blobs()}
    assert len(acknowledged) > 50
    assert {path.name for path in folder.glob("cas/*/*")} == needed
    assert cache.verify() == []
    cache.close()


STAMPEDE = """
print('ready', flush=True); sys.stdin.readline()
began = time.monotonic()
with cache.claim('key') as alone:
    entry = cache.lookup('key')
    if entry is None:
        print('computing', flush=True)
        time.sleep(float(sys.argv[2]))
        cache.keep('key', {'value': os.getpid()})
        print('computed', flush=True)
print('took', time.monotonic() - began, cache.lookup('key').load('value'))
"""


def stampede(folder, seconds, processes=4):
    crowd = [
        start(STAMPEDE, folder, seconds, stdin=subprocess.PIPE)
        for _ in range(processes)
    ]
    for process in crowd:
        said(process, "ready")
    for process in crowd:
        process.stdin.write("\n")
        process.stdin.flush()
    return crowd


def test_many_processes_compute_once(folder):
    """Of processes that need one result at the same time, one computes it."""
    crowd = stampede(folder, 0.3)

    outputs = [finished(process) for process in crowd]

    assert sum("computed" in output for output in outputs) == 1
    assert len({output.split()[-1] for output in outputs}) == 1
    assert max(float(output.split()[-2]) for output in outputs) < 3


def test_a_dead_holder_is_succeeded(folder):
    """When the process that computes is killed, the next one takes over at once."""
    crowd = stampede(folder, 0.5)
    cache = ResultCache(folder, secret=SECRET)
    deadline = time.monotonic() + 10
    while not (told := cache.holder("key")) and time.monotonic() < deadline:
        time.sleep(0.01)
    leader = next(p for p in crowd if p.pid == int(told.split()[1]))
    time.sleep(0.1)

    leader.kill()
    killed = time.monotonic()
    outputs = [finished(process) for process in crowd if process is not leader]
    leader.communicate()

    assert time.monotonic() - killed < 2.5
    assert sum("computed" in output for output in outputs) == 1
    assert len({output.split()[-1] for output in outputs}) == 1


def test_a_child_of_a_dead_holder_does_not_hold_on(cache, folder):
    """A process forked by a holder keeps nobody waiting after the holder's death."""
    holder = start(
        "with cache.claim('key'):\n"
        "    if os.fork() == 0:\n"
        "        os.close(1); os.close(2); time.sleep(20); os._exit(0)\n"
        "    print('held', flush=True); time.sleep(60)",
        folder,
        start_new_session=True,
    )
    said(holder, "held")

    holder.kill()
    holder.communicate()
    with cache.claim("key", timeout=2) as alone:
        assert alone
    os.killpg(holder.pid, signal.SIGKILL)


def test_a_hung_holder_is_named(cache, folder):
    """A waiter keeps to its own patience and can tell who holds the key."""
    holder = start(
        "with cache.claim('key'): print('held', flush=True); time.sleep(60)", folder
    )
    said(holder, "held")
    os.kill(holder.pid, signal.SIGSTOP)

    began = time.monotonic()
    with cache.claim("key", timeout=0.3) as alone:
        assert not alone

    assert time.monotonic() - began < 1
    assert f"process {holder.pid} on host" in cache.holder("key")
    holder.kill()
    holder.communicate()


def test_claims_work_where_locks_do_not(cache, monkeypatch):
    """On a file system without locks a claim is a file that its holder renews."""

    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(places.fcntl, "fcntl", unsupported)
    monkeypatch.setattr(claims.fcntl, "flock", unsupported)
    monkeypatch.setattr(claims, "LEASE_SECONDS", 0.6)
    answers = []

    def wait(timeout):
        with cache.claim("key", timeout=timeout) as alone:
            answers.append(alone)

    with cache.claim("key") as alone:
        time.sleep(1.0)  # longer than a lease that nobody renews
        thread = threading.Thread(target=wait, args=(0.3,))
        thread.start()
        thread.join()
    wait(0)
    holder = contextvars.copy_context()
    abandoned = holder.run(claims.Claims(cache.folder).acquire, "key", 0)
    abandoned.lock._over.set()  # its holder has died
    began = time.monotonic()
    wait(5)

    assert alone
    assert answers == [False, True, True]
    assert 0.3 < time.monotonic() - began < 3
    assert cache.keep("key", {"value": np.arange(20_000)}) is not None


# -- threads, forks and the end ---------------------------------------------------------


def test_many_threads_share_a_cache(cache):
    """Threads keep, find and forget at the same time without a fault."""
    problems = []

    def work(number):
        try:
            for n in range(15):
                key = f"key {n % 5}"
                cache.keep(key, {"value": np.full(10_000 * (n % 3), n % 5)})
                entry = cache.lookup(key)
                if entry is not None:
                    assert (entry.load("value") == n % 5).all()
                if n % 7 == number % 7:
                    cache.forget(key)
        except Exception as problem:  # noqa: BLE001 - shown below
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert cache.verify() == []


def test_forked_children_use_the_cache_too(folder):
    """Children forked from a process with an open cache can use it as well."""
    process = start(
        "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n"
        "array = np.arange(50_000)\n"
        "cache.keep('key', {'value': array})\n"
        "stop = threading.Event()\n"
        "def busy():\n"
        "    while not stop.is_set(): cache.keep('busy', {'value': array})\n"
        "thread = threading.Thread(target=busy); thread.start()\n"
        "children = []\n"
        "for child in range(6):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        good = (cache.lookup('key').load('value') == array).all()\n"
        "        for n in range(30): good &= cache.keep(f'{child} {n}', {'v': n}) is not None\n"
        "        with cache.claim('key'): pass\n"
        "        os._exit(0 if good else 1)\n"
        "    children.append(pid)\n"
        "codes = [os.waitpid(pid, 0)[1] for pid in children]\n"
        "stop.set(); thread.join()\n"
        "print(codes, cache.stats().entries, cache.verify())\n"
        "import sqlite3\n"
        "base = sqlite3.connect(sys.argv[1] + '/index/cache.db')\n"
        "print(*base.execute('PRAGMA integrity_check').fetchone())",
        folder,
    )

    assert finished(process) == "[0, 0, 0, 0, 0, 0] 182 []\nok\n"


def test_the_end_of_the_interpreter_is_silent(folder):
    """A process that ends with an open cache and mapped arrays says nothing."""
    process = start(
        "kept = cache.keep('key', {'value': np.arange(200_000)})\n"
        "array = kept.load('value')\n"
        "class Last:\n"
        "    def __del__(self): cache.close()\n"
        "last = Last()\n"
        "held = cache.claim('key'); held.__enter__()",
        folder,
    )

    assert finished(process) == ""


def test_collecting_spares_what_is_being_written(cache, folder):
    """Collecting while others write removes nothing that they have kept."""
    writer = start(
        "for n in range(60):\n"
        "    value = np.full(30_000, n)\n"
        "    assert cache.keep(f'key {n}', {'value': value})\n"
        "for n in range(60):\n"
        "    assert (cache.lookup(f'key {n}').load('value') == n).all()",
        folder,
    )

    collected = 0
    while writer.poll() is None:
        cache.collect()
        collected += 1

    finished(writer)
    assert collected > 1


def test_claims_work_where_only_files_can_be_locked(cache, folder, monkeypatch):
    """Without locks on bytes each key that is held has a file, and is held as well."""
    monkeypatch.setattr(places, "_SET", None)
    answers = []

    def ask():
        with cache.claim("key", timeout=0) as alone:
            answers.append(alone)

    with cache.claim("key"):
        assert len(list((folder / "claims").iterdir())) == 2
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        other = start(
            "from nborch.cache import places; places._SET = None\n"
            "with cache.claim('key', timeout=0.1) as alone: print(alone)\n"
            "print(cache.holder('key'))",
            folder,
        )
        said = finished(other)
    ask()

    assert said.startswith(f"False\nprocess {os.getpid()} on host ")
    assert answers == [False, True]
    assert list((folder / "claims").iterdir()) == []


def test_what_stands_with_the_keys_is_no_trouble(cache, folder):
    """A claim whose holder signed with something strange names no holder."""
    with cache.claim("key"):
        file = folder / "claims" / "keys"
        size = file.stat().st_size
        for content in (b"", b"\0" * size, b"\xff" * size, b"1 2 3" * size):
            file.write_bytes(content)
            assert cache.holder("key") == ""
        with cache.claim("another key") as alone:
            assert alone


def test_links_of_any_content_are_no_trouble(cache, folder, monkeypatch):
    """A claim whose link says something strange names no holder."""
    monkeypatch.setattr(places, "_SET", None)
    with cache.claim("key"):
        (link,) = (folder / "claims").glob("*.by")
        for content in ("junk", "1", "1 ", " host", "x host"):
            link.unlink()
            link.symlink_to(content)
            assert cache.holder("key") == ""
