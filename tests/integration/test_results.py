"""What a result cache keeps, gives back, shares and clears."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nborch.cache import blobs
from nborch.cache.results import CacheStats, EntryUnusable, ResultCache
from nborch.exceptions import CacheWarning

ROOT = Path(__file__).parents[2]
SECRET = b"s" * 32
MILLION = 1_000_000


@pytest.fixture
def cache(tmp_path):
    cache = ResultCache(tmp_path / "cache", secret=SECRET)
    yield cache
    cache.close()


def python(script, *arguments, **options):
    """Run a script in a process of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def files(cache):
    """Return the files of large buffers, by size."""
    return sorted(
        (path for path in (cache.folder / "cas").glob("*/*")),
        key=lambda path: path.stat().st_size,
    )


def test_a_kept_result_is_found(cache):
    """A result comes back with its parts, metadata, name and cost."""
    kept = cache.keep(
        "key",
        {"rows": [1, 2], "table": np.arange(MILLION)},
        meta={"shown": ["<b>1</b>"], "n": None},
        seconds=41.5,
        label="clean",
    )

    found = cache.lookup("key")

    assert found.parts == ("rows", "table")
    assert found.load("rows") == [1, 2]
    assert (found.load("table") == np.arange(MILLION)).all()
    assert found.meta == {"shown": ["<b>1</b>"], "n": None}
    assert (found.key, found.label, found.seconds) == ("key", "clean", 41.5)
    assert abs(found.created_at - time.time()) < 60
    assert found.size == kept.size > 8 * MILLION
    assert cache.lookup("another key") is None


def test_another_process_finds_it(cache):
    """A result that one process kept is found by another, equal and writable."""
    frame = pd.DataFrame({"n": np.arange(MILLION), "t": pd.Timestamp("2020")})
    cache.keep("key", {"result": frame})

    told = python(
        "import sys; from pathlib import Path\n"
        "from nborch.cache.results import ResultCache\n"
        "cache = ResultCache(Path(sys.argv[1]), secret=b's' * 32)\n"
        "frame = cache.lookup('key').load('result')\n"
        "frame.loc[0, 'n'] = -1\n"
        "print(frame.n.sum(), frame.t[0], 'numba' in sys.modules)",
        cache.folder,
    )

    assert told.split() == [
        str(frame.n.sum() - 1),
        "2020-01-01",
        "00:00:00",
        "False",
    ]
    pd.testing.assert_frame_equal(cache.lookup("key").load("result"), frame)


def test_nothing_is_made_or_imported_before_it_is_needed(tmp_path):
    """Making a cache and looking into an empty one touches neither disk nor imports."""
    told = python(
        "import sys; from pathlib import Path\n"
        "from nborch.cache.results import ResultCache\n"
        "cache = ResultCache(Path(sys.argv[1]))\n"
        "assert cache.lookup('key') is None\n"
        "assert not cache.forget('key')\n"
        "assert cache.collect() == 0 and cache.verify() == []\n"
        "print([m for m in ('diskcache', 'numpy', 'xxhash', 'cloudpickle')"
        " if m in sys.modules])",
        tmp_path / "cache",
    )

    assert told.strip() == "[]"
    assert not (tmp_path / "cache").exists()


def test_only_the_owner_can_read(tmp_path):
    """Folder and files are for their owner alone, whatever the umask says."""
    python(
        "import os, sys; from pathlib import Path; os.umask(0)\n"
        "from nborch.cache.results import ResultCache\n"
        "home = Path(sys.argv[1])\n"
        "cache = ResultCache(home / 'cache', secret_file=home / 'own' / 'secret')\n"
        "with cache.claim('key'): cache.keep('key', {'r': bytes(100_000)})",
        tmp_path,
    )

    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "own" / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "cache" / "store-id").stat().st_mode & 0o777 == 0o600


def test_each_load_is_a_new_object(cache):
    """Changing what was kept, or what was loaded, changes no later load."""
    rows = [1]
    cache.keep("key", {"rows": rows})
    rows.append(2)

    first = cache.lookup("key").load("rows")
    first.append(3)

    assert cache.lookup("key").load("rows") == [1]


def test_a_loaded_array_can_be_overwritten(cache):
    """Writing into a loaded array of a million numbers leaves the stored copy."""
    array = np.arange(MILLION)
    entry = cache.keep("key", {"array": array})
    path = files(cache)[0]
    before = path.read_bytes()

    loaded = entry.load("array")
    loaded[:] = -1
    kept = cache.keep("negative", {"array": loaded}).load("array")

    assert path.read_bytes() == before
    assert (cache.lookup("key").load("array") == array).all()
    assert (kept == -1).all()
    assert cache.verify() == []


def test_a_mapped_result_outlives_its_file(cache):
    """An array that was loaded stays as it is when its file is collected."""
    entry = cache.keep("key", {"array": np.arange(MILLION)})
    loaded = entry.load("array")

    cache.forget("key")
    freed = cache.collect()

    assert freed == 8 * MILLION
    assert files(cache) == []
    assert (loaded == np.arange(MILLION)).all()


def test_a_result_is_replaced(cache):
    """The result that was kept last under a key is the one that is found."""
    cache.keep("key", {"n": 1})
    cache.keep("key", {"n": 2})

    assert cache.lookup("key").load("n") == 2
    assert cache.stats().entries == 1


def test_equal_columns_are_stored_once(cache):
    """Two results that share a column share its file."""
    column = np.arange(MILLION)
    cache.keep("a", {"frame": {"x": column, "y": column * 2}})
    cache.keep("b", {"frame": {"x": column + 0, "y": column * 3}})

    cache.forget("a")
    cache.collect()

    assert len(files(cache)) == 2
    assert (cache.lookup("b").load("frame")["x"] == column).all()


def test_large_metadata_comes_back(cache):
    """Metadata of any size comes back with the entry."""
    shown = {"display": "x" * 500_000, "plain": "é\ud800"}

    cache.keep("key", {"n": 1}, meta=shown)

    assert cache.lookup("key").meta == shown
    assert [path.stat().st_size > 500_000 for path in files(cache)] == [True]


@pytest.mark.parametrize("sizes", [[10] * 40, [60_000] * 30, [70_000] * 3, [200_000]])
def test_pickles_of_any_size_come_back(cache, sizes):
    """Parts come back whether their pickles stand in the row or in files."""
    parts = {f"part {n}": ["x" * size, n] for n, size in enumerate(sizes)}

    cache.keep("key", parts)

    entry = cache.lookup("key")
    assert {name: entry.load(name) for name in entry.parts} == parts


def test_hundreds_of_arrays_come_back(cache):
    """A result of many arrays needs no more open files than a process may have."""
    arrays = [np.full(40_000, float(n)) for n in range(400)]
    cache.keep("key", {"arrays": arrays})
    descriptors = Path("/proc/self/fd")
    before = len([*descriptors.iterdir()])

    loaded = [cache.lookup("key").load("arrays") for _ in range(3)]
    opened = len([*descriptors.iterdir()]) - before

    assert opened <= blobs.MOST_MAPPINGS + 5
    assert all((a == b).all() for a, b in zip(arrays, loaded[2], strict=True))
    del loaded
    assert len([*descriptors.iterdir()]) - before <= 5


@pytest.mark.parametrize("key", ["", "é\u2028/../\0", "k" * 5_000, "'; --"])
def test_any_text_is_a_key(cache, key):
    """A key is any text; it is never a path."""
    cache.keep(key, {"n": key})

    with cache.claim(key) as alone:
        assert alone
    assert cache.lookup(key).load("n") == key
    assert [entry.key for entry in cache.entries()] == [key]


@pytest.mark.parametrize(
    "folder", ["with space/und Ümläut/\u4e16\u754c", "/".join(["long" * 20] * 4)]
)
def test_any_folder_will_do(tmp_path, folder):
    """The folder's path may be long and in any language."""
    cache = ResultCache(tmp_path / folder, secret=SECRET)

    cache.keep("key", {"a": np.arange(MILLION)})

    assert (cache.lookup("key").load("a") == np.arange(MILLION)).all()
    cache.close()


# -- expiry ----------------------------------------------------------------------


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


def test_a_result_expires_at_its_time(tmp_path):
    """A result is a hit until the moment at which it expires, and not from then on."""
    clock = Clock()
    cache = ResultCache(tmp_path / "cache", secret=SECRET, clock=clock)
    cache.keep("key", {"n": 1}, expires_at=clock.now + 60)

    hits = []
    for seconds in (0, 59.999, 60, 61, 3600 * 24 * 365):
        clock.now = 1_000_000.0 + seconds
        hits.append(cache.lookup("key") is not None)

    assert hits == [True, True, False, False, False]
    assert cache.stats().entries == 1
    assert cache.collect() > 0
    assert cache.stats().entries == 0
    cache.close()


def test_a_clock_set_back_prolongs_no_life(tmp_path):
    """A result that seems to come from the future is no hit if it can expire."""
    clock = Clock()
    cache = ResultCache(tmp_path / "cache", secret=SECRET, clock=clock)
    cache.keep("short", {"n": 1}, expires_at=clock.now + 60)
    cache.keep("for ever", {"n": 1})

    clock.now -= 24 * 3600

    assert cache.lookup("short") is None
    assert cache.lookup("for ever").load("n") == 1
    cache.close()


# -- checks that cost nothing ------------------------------------------------------


def test_a_touched_file_is_hashed_once(cache, monkeypatch):
    """A file whose status changed is hashed, and not again at the next lookup."""
    cache.keep("key", {"array": np.arange(MILLION)})
    python("import os, sys; os.utime(sys.argv[1])", files(cache)[0])
    hashed = []
    original = blobs.Digest.of
    monkeypatch.setattr(
        blobs.Digest, "of", lambda kind, data: hashed.append(1) or original(kind, data)
    )

    for _ in range(3):
        assert cache.lookup("key").load("array")[-1] == MILLION - 1

    assert len(hashed) == 1


def test_an_untouched_file_is_not_read(cache, monkeypatch):
    """A file that looks as it did is mapped without reading it."""
    cache.keep("key", {"array": np.arange(MILLION)})
    monkeypatch.delattr(blobs.Digest, "of")

    assert cache.lookup("key").load("array")[-1] == MILLION - 1


def test_after_a_reboot_files_are_hashed_again(cache, monkeypatch):
    """Files were not synced to disk: what was right before a reboot is checked."""
    cache.keep("key", {"array": np.arange(MILLION)})
    path = files(cache)[0]
    status = path.stat()
    monkeypatch.setattr(blobs, "boot_id", lambda: "the next boot")
    path.chmod(0o600)
    path.write_bytes(bytes(status.st_size))
    changed = path.stat()
    # The row as it would be if the write had been lost in a power failure: same
    # inode, size and change time, other bytes.
    monkeypatch.setattr(
        blobs.Seal,
        "of",
        classmethod(
            lambda cls, _: cls(
                status.st_ino, status.st_size, status.st_ctime_ns, blobs.boot_id()
            )
        ),
    )

    assert changed.st_size == status.st_size
    with pytest.warns(CacheWarning, match="its bytes have changed"):
        assert cache.lookup("key") is None


# -- upkeep ------------------------------------------------------------------------


def test_an_empty_cache_has_empty_figures(cache):
    """A cache without results counts nothing."""
    assert cache.stats() == CacheStats(0, 0, 0, 0.0)


def test_the_figures_add_up(cache):
    """The figures tell results, files, bytes and the seconds that hits save."""
    cache.keep("a", {"x": np.arange(MILLION)}, seconds=2.5)
    cache.keep("b", {"x": np.arange(MILLION), "y": 1}, seconds=1.5)

    stats = cache.stats()

    assert (stats.entries, stats.blobs, stats.seconds) == (2, 1, 4.0)
    assert 8 * MILLION < stats.bytes < 8 * MILLION + 2_000


def test_forgetting_says_whether_there_was_something(cache):
    """A forgotten result is no hit; forgetting it again says so."""
    cache.keep("key", {"n": 1})

    assert cache.forget("key")
    assert not cache.forget("key")
    assert cache.lookup("key") is None


def test_collecting_to_a_size_drops_the_cheapest(cache):
    """What took few seconds per byte goes first when room is needed."""
    for n in range(5):
        array = np.full(100_000, float(n))
        cache.keep(f"key {n}", {"array": array}, seconds=float((n * 2) % 5))

    freed = cache.collect(max_bytes=1_700_000)

    left = sorted(entry.seconds for entry in cache.entries())
    assert left == [3.0, 4.0]
    assert 2_400_000 <= freed < 2_410_000
    assert cache.stats().bytes <= 1_700_000
    assert all(cache.lookup(entry.key) is not None for entry in cache.entries())


def test_verify_finds_what_lookups_do_not_see(cache):
    """A file that changed without a trace is found by reading everything."""
    cache.keep("good", {"array": np.arange(MILLION)})
    cache.keep("bad", {"array": np.ones(MILLION)}, label="ones")
    path = next(p for p in files(cache) if b"\xf0\x3f" in p.read_bytes()[:8])
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(b"!")

    findings = cache.verify()

    assert [(f.key, f.label, f.problem) for f in findings] == [
        ("bad", "ones", "its bytes have changed")
    ]
    assert cache.lookup("bad") is None
    assert cache.lookup("good") is not None
    assert cache.verify() == []


def test_a_closed_cache_opens_again(cache):
    """Closing a cache lets go of its files; the next use opens them."""
    cache.keep("key", {"n": 1})

    cache.close()
    cache.close()

    assert cache.lookup("key").load("n") == 1


# -- one computation per key ---------------------------------------------------------


def test_a_claim_excludes_other_threads(cache):
    """One thread at a time holds a key; the others wait for it."""
    holding, most, done = [], [], []

    def work():
        with cache.claim("key") as alone:
            assert alone
            holding.append(1)
            most.append(len(holding))
            time.sleep(0.01)
            holding.pop()
        done.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(done) == 8
    assert max(most) == 1


def test_a_waiter_gives_up_in_time(cache):
    """A claim that is held elsewhere yields False when the time is up."""
    answers = []

    def wait():
        began = time.monotonic()
        with cache.claim("key", timeout=0.2) as alone:
            answers.append((alone, time.monotonic() - began))

    with cache.claim("key") as alone, cache.claim("another key") as other:
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()

    assert alone
    assert other
    assert answers[0][0] is False
    assert 0.2 <= answers[0][1] < 1.0


def test_a_claim_does_not_wait_for_itself(cache):
    """Code that holds a key and asks for it again is not held up."""
    with cache.claim("key"), cache.claim("key") as again:
        assert again is False
    with cache.claim("key", timeout=0) as alone:
        assert alone


def test_claims_leave_no_files(cache):
    """A key that nobody holds has no file of its own, and no holder."""
    with cache.claim("key"):
        assert cache.holder("key").startswith(f"process {os.getpid()} on host ")

    assert cache.holder("key") == ""
    assert [file.name for file in (cache.folder / "claims").iterdir()] == ["keys"]


def test_an_error_frees_the_claim(cache):
    """A holder that raises lets the next one have the key."""
    with pytest.raises(ZeroDivisionError), cache.claim("key"):
        1 / 0  # noqa: B018

    with cache.claim("key", timeout=0) as alone:
        assert alone


def test_waiters_are_woken_at_once(cache):
    """Who waits for a thread of his own process is told when it lets go."""
    woken = []
    assert not cache.watch("key", lambda: woken.append("never"))

    with cache.claim("key"):
        assert cache.watch("key", lambda: woken.append("first"))
        assert cache.watch("key", lambda: woken.append("second"))
        assert not cache.watch("another key", lambda: woken.append("never"))
        assert woken == []

    assert woken == ["first", "second"]
    with cache.claim("key"):
        pass
    assert woken == ["first", "second"]


def test_a_waiting_thread_goes_on_at_once(cache):
    """A thread that waits for another of its process loses no time."""
    released = []
    went_on = []

    def wait():
        with cache.claim("key"):
            went_on.append(time.monotonic())

    threads = [threading.Thread(target=wait) for _ in range(20)]
    with cache.claim("key"):
        for thread in threads:
            thread.start()
        time.sleep(0.2)  # polling would have slowed down by now
        released.append(time.monotonic())
    for thread in threads:
        thread.join(10)

    assert len(went_on) == 20
    assert min(went_on) - released[0] < 0.015


# -- a limit of the size --------------------------------------------------------------


DAY = 86_400.0


@pytest.fixture
def clock():
    """Seconds since 1970, turned by hand."""
    return [1_700_000_000.0]


@pytest.fixture
def small(tmp_path, clock):
    """A cache for a million bytes."""
    cache = ResultCache(
        tmp_path / "small", secret=SECRET, clock=lambda: clock[0], size_limit=MILLION
    )
    yield cache
    cache.close()


def test_a_full_cache_makes_room_by_itself(small, until):
    """Past the limit the results go that save the least, and the rest stays."""
    for n in range(12):
        value = np.full(100_000, n, dtype="u1")
        small.keep(f"key {n}", {"value": value}, seconds=n + 1.0)

    assert until(lambda: small.stats().bytes <= MILLION)
    small.close()
    left = {entry.key for entry in small.entries()}
    assert 7 <= len(left) <= 10
    assert {"key 10", "key 11"} <= left
    assert "key 0" not in left
    assert (small.lookup("key 11").load("value") == 11).all()


def test_what_is_used_outlives_what_is_not(small, clock):
    """A week without use halves what a result is worth; a use makes it young again."""
    for key in ("1 used", "2 idle", "3 slow"):
        seconds = 1000.0 if key == "3 slow" else 1.0
        small.keep(key, {"value": np.full(200_000, ord(key[0]), "u1")}, seconds=seconds)
    clock[0] += 30 * DAY
    small.lookup("1 used")
    small.close()  # what was used when is known to the next process too

    small.collect(500_000)
    assert {entry.key for entry in small.entries()} == {"1 used", "3 slow"}

    small.collect(300_000)
    assert {entry.key for entry in small.entries()} == {"3 slow"}


def test_a_result_larger_than_the_cache_is_not_kept(small):
    """What would push out everything else is not kept, which is told."""
    small.keep("other", {"value": 1})

    with pytest.warns(
        CacheWarning, match="Raise NBORCH_CACHE_SIZE_LIMIT, which is 1,0"
    ):
        assert small.keep("key", {"value": bytes(2 * MILLION)}) is None

    assert small.lookup("key") is None
    assert small.lookup("other") is not None


def test_without_a_limit_nothing_goes(cache):
    """A cache without a limit keeps everything."""
    for n in range(12):
        cache.keep(f"key {n}", {"value": np.full(100_000, n, dtype="u1")})
    cache.close()

    assert cache.stats().entries == 12


def test_metadata_is_the_readers_to_change(cache):
    """Changing the metadata of one hit does not change that of the next."""
    cache.keep("key", {"value": 1}, meta={"shown": ["a"], "n": 1})
    cache.keep("flat", {"value": 1}, meta={"n": 1})
    for key in ("key", "flat"):
        found = cache.lookup(key)
        found.meta["n"] = 2
        found.meta.setdefault("shown", []).append("b")

    assert cache.lookup("key").meta == {"shown": ["a"], "n": 1}
    assert cache.lookup("flat").meta == {"n": 1}


def test_what_another_process_cleared_is_gone(cache):
    """A result that was found here before is not found after another's clearing."""
    cache.keep("key", {"value": 1}, label="one")
    assert cache.lookup("key").load("value") == 1

    python(
        "import sys; from pathlib import Path\n"
        "from nborch.cache.results import ResultCache\n"
        "cache = ResultCache(Path(sys.argv[1]), secret=b's' * 32)\n"
        "assert cache.forget('key')\n"
        "cache.keep('other', {'value': 2})",
        cache.folder,
    )

    assert cache.lookup("key") is None
    assert cache.lookup("other").load("value") == 2


# -- what cannot be used ---------------------------------------------------------------


class Forgotten:
    pass


def test_a_result_of_a_lost_class_is_unusable(cache, monkeypatch):
    """An entry whose class no longer exists says so, and is a miss to its finder."""
    cache.keep("key", {"it": Forgotten()}, label="load")
    monkeypatch.delattr(sys.modules[__name__], "Forgotten")

    with pytest.raises(EntryUnusable, match=r"'load' cannot be loaded \(Attribute"):
        cache.lookup("key").load("it")


def test_a_part_that_was_not_kept_is_unusable(cache):
    """Asking for a part that the result has not says so."""
    with pytest.raises(EntryUnusable, match="has no part 'y'"):
        cache.keep("key", {"x": 1}).load("y")


def test_metadata_must_be_json(cache):
    """A result whose metadata is no JSON is not kept, with a warning."""
    with pytest.warns(CacheWarning, match="not kept"):
        assert cache.keep("key", {"n": 1}, meta={"x": object()}) is None
