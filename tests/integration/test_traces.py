"""The files that a block of code reads and writes, as kept with its result."""

import importlib.metadata
import importlib.util
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from nborch.notebook.effects.namespace import Uncachable
from nborch.notebook.files import readers
from nborch.notebook.files.traces import RACY, trace_files, traces_of, unchanged


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a file that has been there for a while."""
    monkeypatch.chdir(tmp_path)
    old(tmp_path / "data.csv", "a\n1\n")
    return tmp_path


def old(path, content="old"):
    """Write a file that looks as if it had been written a minute ago."""
    path.write_text(content)
    past = time.time() - 60
    os.utime(path, (past, past))


def traced(work, own="/nowhere"):
    """Return what is kept of the files that `work` uses."""
    with trace_files(Path(own)) as trace:
        work()
    return traces_of(trace)


def paths(traces):
    return [trace["path"] for trace in traces]


READERS = {
    "open": lambda: Path("data.csv").open().close(),
    "os.open": lambda: os.close(os.open("data.csv", os.O_RDONLY)),
    "read_text": lambda: Path("data.csv").read_text(),
    "bytes": lambda: open(b"data.csv").close(),  # noqa: PTH123
    "pandas": lambda: pd.read_csv("data.csv"),
    "numpy": lambda: np.loadtxt("data.csv", skiprows=1),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_reads(folder, read):
    """A file that is read is noted, relative to the working folder."""
    traces = traced(read)

    assert paths(traces) == ["data.csv"]
    assert unchanged(traces) is None


UNSEEN = {
    "pandas": lambda: pd.read_parquet("data.parquet"),
    "pandas path": lambda: pd.read_parquet(Path("data.parquet")),
    "pyarrow": lambda: pq.read_table("data.parquet"),
    "pyarrow schema": lambda: pq.read_schema("data.parquet"),
    "pyarrow file": lambda: pq.ParquetFile("data.parquet").read(),
    "pyarrow dataset": lambda: pyarrow.dataset.dataset(["data.parquet"]).to_table(),
    "polars": lambda: pl.read_parquet("data.parquet"),
    "polars keyword": lambda: pl.read_parquet(source="data.parquet"),
    "polars lazy": lambda: pl.scan_parquet("data.parquet").collect(),
    "polars pattern": lambda: pl.read_parquet("*.parquet"),
}


@pytest.mark.parametrize("read", UNSEEN.values(), ids=UNSEEN)
def test_readers_that_python_does_not_see(folder, read):
    """Files are noted that a library's compiled code opens."""
    pd.DataFrame({"a": [1]}).to_parquet("data.parquet")
    past = time.time() - 60
    os.utime("data.parquet", (past, past))

    traces = traced(read)
    pd.DataFrame({"a": [2]}).to_parquet("data.parquet")

    assert "data.parquet" in paths(traces)
    assert unchanged(traces) is not None


def test_folder_of_parquet_files(folder):
    """Of a data set in a folder, each file and the coming of another are noticed."""
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    frame.to_parquet("table", partition_cols=["b"])
    traces = traced(lambda: pd.read_parquet("table"))
    before = unchanged(traces)

    pd.DataFrame({"a": [3], "b": ["z"]}).to_parquet("table", partition_cols=["b"])

    assert before is None
    assert unchanged(traces) is not None


def test_libraries_are_left_as_they_were(folder):
    """After a trace, also one that failed, the libraries' functions are their own."""
    functions = [pl.read_csv, pq.read_table, pq.ParquetFile.__init__]

    with pytest.raises(ZeroDivisionError), trace_files(folder):
        raise ZeroDivisionError

    assert [pl.read_csv, pq.read_table, pq.ParquetFile.__init__] == functions


def test_content_counts(folder):
    """Content tells whether a file has changed; time and inode do not."""
    traces = traced(READERS["read_text"])

    (folder / "data.csv").touch()
    touched = unchanged(traces)
    content = (folder / "data.csv").read_text()
    (folder / "data.csv").unlink()
    (folder / "data.csv").write_text(content)
    anew = unchanged(traces)
    (folder / "data.csv").write_text("a\n2\n")

    assert (touched, anew) == (None, None)
    assert unchanged(traces) == "data.csv"


def test_gone(folder):
    """A file that is gone has changed."""
    traces = traced(READERS["read_text"])

    (folder / "data.csv").unlink()

    assert unchanged(traces) == "data.csv"


def test_looked_for_in_vain(folder):
    """A file that was not there is noted, so that its coming is noticed."""

    def look():
        with pytest.raises(FileNotFoundError):
            Path("missing").read_text()

    traces = traced(look)
    before = unchanged(traces)
    (folder / "missing").touch()

    assert before is None
    assert unchanged(traces) == "missing"


def test_same_size_and_time(folder):
    """A change that left size and time as they were is noticed."""
    path = folder / "data.csv"
    traces = traced(READERS["read_text"])
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns

    path.write_text("a\n2\n")
    os.utime(path, ns=times)

    assert unchanged(traces) == "data.csv"


def test_changed_just_before(folder):
    """A file that was changed just before it was read is compared by content, for its
    time may not change with the next change.
    """
    (folder / "new.txt").write_text("1")

    (trace,) = traced(lambda: Path("new.txt").read_text())

    assert trace["racy"]
    assert RACY >= 2e9
    (trace,) = traced(READERS["read_text"])
    assert not trace["racy"]


def test_changed_meanwhile(folder):
    """A file that another process changes while it is read makes the block uncachable."""

    def read():
        Path("data.csv").read_text()
        os.system("echo more >> data.csv")

    with pytest.raises(Uncachable, match=r"reads 'data.csv', which changed meanwhile"):
        traced(read)


@pytest.mark.parametrize("mode", ["a", "r+", "a+"])
def test_changed_in_place(folder, mode):
    """A file that the block changes in place makes it uncachable."""

    def change():
        with Path("data.csv").open(mode) as file:
            file.write("2\n")

    with pytest.raises(Uncachable, match=r"changes the file 'data.csv'"):
        traced(change)


WRITERS = {
    "write_text": lambda: Path("made").write_text("made"),
    "x": lambda: Path("made").open("x").close(),
    "to_csv": lambda: pd.DataFrame({"a": [1]}).to_csv("made"),
    "renamed": lambda: (Path("tmp").write_text("a"), Path("tmp").rename("made")),
    "replaced": lambda: (Path("tmp").write_text("a"), os.replace("tmp", "made")),  # noqa: PTH105
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_writes(folder, write):
    """A file that was made counts: once it is gone or another, the block must run."""
    traces = traced(write)
    before = unchanged(traces)

    (folder / "made").unlink()
    gone = unchanged(traces)
    (folder / "made").write_text("by somebody else")

    assert before is None
    assert gone == "made"
    assert unchanged(traces) == "made"


def test_written_then_read(folder):
    """A file that the block itself made and read is one that it made."""

    def write_and_read():
        Path("own").write_text("a")
        Path("own").read_text()

    traces = traced(write_and_read)

    assert paths(traces) == ["own"]
    assert unchanged(traces) is None


def test_removed(folder):
    """A file that the block removed has to be gone."""
    traces = traced(lambda: Path("data.csv").unlink())
    before = unchanged(traces)

    (folder / "data.csv").touch()

    assert before is None
    assert unchanged(traces) == "data.csv"


def test_made_folder(folder):
    """Of a folder that was made, it counts only that it is there."""
    traces = traced(lambda: Path("made").mkdir())

    (folder / "made" / "later").touch()
    filled = unchanged(traces)
    (folder / "made" / "later").unlink()
    (folder / "made").rmdir()

    assert filled is None
    assert unchanged(traces) == "made"


def test_listed_folder(folder):
    """A folder that is listed counts by the names in it."""
    (folder / "data").mkdir()
    traces = traced(lambda: list(Path("data").iterdir()))
    before = unchanged(traces)

    (folder / "data" / "new").touch()

    assert before is None
    assert unchanged(traces) == "data"


def test_temporary_files(folder):
    """What is made and removed within the block leaves nothing to compare."""

    def use():
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "a").write_text("a")
            assert (Path(name) / "a").read_text() == "a"
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write("b")
            file.seek(0)
            file.read()

    assert unchanged(traced(use)) is None


def test_database(folder):
    """A database that is read is an input; one that is changed makes it uncachable."""
    with sqlite3.connect("data.db") as connection:
        connection.execute("create table t (a)")
    connection.close()
    past = time.time() - 60
    os.utime("data.db", (past, past))

    def work(statement):
        with sqlite3.connect("data.db") as connection:
            connection.execute(statement)
        connection.close()

    traces = traced(lambda: work("select * from t"))
    assert paths(traces) == ["data.db"]
    with pytest.raises(Uncachable, match=r"data\.db"):
        traced(lambda: work("insert into t values (1)"))
    assert unchanged(traces) == "data.db"


def test_pipe(folder):
    """What is read from a pipe cannot be compared."""
    os.mkfifo("pipe")

    def read():
        descriptor = os.open("pipe", os.O_RDWR)
        os.close(descriptor)

    with pytest.raises(Uncachable, match=r"'pipe', which is no file"):
        traced(read)


def test_environment(folder):
    """Python's own files, packages and devices are not inputs."""

    def read():
        Path(os.__file__).read_text()
        Path(np.__file__).read_text()
        Path(os.devnull).read_text()

    assert traced(read) == []


def test_own_files(folder):
    """The files of nborch itself are not inputs."""
    (folder / "home").mkdir()
    old(folder / "home" / "index")

    traces = traced((folder / "home" / "index").read_text, own=folder / "home")

    assert traces == []


def test_another_folder(folder, monkeypatch):
    """The same block beside other data compares those."""
    traces = traced((folder / "data.csv").read_text)
    (folder / "equal").mkdir()
    (folder / "equal" / "data.csv").write_text("a\n1\n")
    (folder / "other").mkdir()
    (folder / "other" / "data.csv").write_text("a\n2\n")

    monkeypatch.chdir(folder / "equal")
    equal = unchanged(traces)
    monkeypatch.chdir(folder / "other")

    assert equal is None
    assert unchanged(traces) == "data.csv"


def test_imports(folder, monkeypatch):
    """Looking for a module or a package's version reads no folder of the user's."""
    monkeypatch.syspath_prepend("")
    importlib.invalidate_caches()

    def look():
        assert importlib.util.find_spec("no_such_module") is None
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version("no-such-package")

    assert traced(look) == []


def test_traces_are_json(folder):
    """What is kept can be stored as JSON."""
    import json

    traces = traced(lambda: (READERS["open"](), Path("made").write_text("a")))

    assert json.loads(json.dumps(traces)) == traces


def test_nested(folder):
    """Of two blocks, one within the other, each has its own files."""
    with trace_files(Path("/nowhere")) as outer:
        Path("data.csv").read_text()
        with trace_files(Path("/nowhere")) as inner:
            Path("made").write_text("a")

    assert paths(traces_of(outer)) == ["data.csv", "made"]
    assert paths(traces_of(inner)) == ["made"]


def test_a_reader_that_a_module_gets_later_is_watched(monkeypatch):
    """A function that a library only adds when it is asked for is watched as well."""
    library = ModuleType("polars")
    library.read_csv = len
    monkeypatch.setitem(sys.modules, "polars", library)
    told = []

    for name in ("read_csv", "read_json"):
        setattr(library, name, lambda path: path)
        readers.watch(told.append)
        getattr(library, name)(__file__)
        readers.unwatch()

    assert told == [__file__, __file__]
