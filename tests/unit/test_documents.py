"""The output notebook's file while it grows, and the checks before a run."""

import io
import json
import os
import stat
from threading import enumerate as enumerate_threads
from time import monotonic, sleep

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nborch.exceptions import InvalidDeclaration, InvalidNotebook, NotFound
from nborch.notebook.documents import Document, is_local
from nborch.notebook.loading import check_output, find_kernel, load_notebook


class Clock:
    def __init__(self):
        self.now = 100.0
        self.step = 0.0

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.fixture
def clock():
    return Clock()


def expected(nb):
    written = io.StringIO()
    nbformat.write(nb, written)
    return written.getvalue()


texts = st.text(max_size=12) | st.sampled_from(
    [
        '\n "cells": []',
        "\n ]",
        "a\rb\n\n",
        "line\u2028line",
        "é\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ]
)
outputs = st.one_of(
    st.builds(lambda text: new_output("stream", name="stdout", text=text), texts),
    st.builds(
        lambda html, data: new_output(
            "display_data", data={"text/html": html, "application/json": data}
        ),
        texts,
        st.lists(st.dictionaries(texts, st.integers(), max_size=2), max_size=2),
    ),
    st.builds(
        lambda text: new_output("error", ename="E", evalue=text, traceback=[text]),
        texts,
    ),
)
cells = st.one_of(
    st.builds(new_markdown_cell, texts),
    st.builds(
        lambda source, shown: new_code_cell(source, outputs=shown),
        texts,
        st.lists(outputs, max_size=3),
    ),
)
changes = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "replace", "edit"]),
        st.integers(0, 5),
        cells,
    ),
    max_size=6,
)


@given(st.lists(cells, max_size=4), changes, st.dictionaries(texts, texts, max_size=3))
def test_text_is_what_nbformat_writes(start, later, metadata):
    """After any change the document is, byte for byte, what nbformat writes."""
    nb = new_notebook(cells=start)
    nb.metadata.update(metadata)
    document = Document(nb, None)
    assert document.text() == expected(nb)

    for change, place, cell in later:
        if change == "insert":
            nb.cells.insert(place, cell)
        elif change == "delete":
            del nb.cells[place : place + 1]
        elif place < len(nb.cells):
            if change == "replace":
                nb.cells[place] = cell
            else:
                nb.cells[place].source += "\n# edited"
                nb.cells[place].metadata["trusted"] = True
                document.touch(place)

        assert document.text() == expected(nb)


def test_only_touched_cells_are_encoded():
    """A save costs what has changed: cells that are not touched are not looked at."""
    nb = new_notebook(cells=[new_code_cell(f"x = {i}") for i in range(50)])
    document = Document(nb, None)
    before = document.text()

    nb.cells[7].source = "y = 7"
    nb.cells[8].source = "y = 8"
    document.touch(7)

    assert document.text() == before.replace("x = 7", "y = 7")


def test_touch_all():
    """Cells that changed unseen are encoded after touch_all."""
    nb = new_notebook(cells=[new_code_cell("a"), new_code_cell("b")])
    document = Document(nb, None)
    document.text()

    nb.cells[0].source, nb.cells[1].source = "c", "d"
    document.touch_all()

    assert document.text() == expected(nb)


def test_saves_are_throttled(tmp_path, clock):
    """A second save within half a second waits; a forced one does not."""
    nb = new_notebook(cells=[new_code_cell("x")])
    document = Document(nb, tmp_path / "out.ipynb", clock=clock)

    assert document.save()
    clock.now += 0.4
    assert not document.save()
    assert document.save(force=True)
    clock.now += 0.6
    assert document.save()


def test_what_came_too_early_to_be_saved_is_saved_soon(tmp_path):
    """The file has what a cell has shown also if the next one takes for ever."""
    path = tmp_path / "out.ipynb"
    nb = new_notebook(cells=[new_code_cell("x")])
    document = Document(nb, path)
    document.save(force=True)

    nb.cells[0].source = "shown since"
    document.touch(0)
    assert not document.save()

    end = monotonic() + 20
    while "shown since" not in path.read_text():
        assert monotonic() < end
        sleep(0.02)


def test_nothing_is_saved_after_the_last_version(tmp_path):
    """A save that was put off is not made up for when the document has ended."""
    path = tmp_path / "out.ipynb"
    nb = new_notebook(cells=[new_code_cell("x")])
    document = Document(nb, path)
    document.save()
    document.save()
    waiting = [e for e in enumerate_threads() if e.name == "nborch-save"]

    document.finish()
    path.write_text("another's")
    for each in waiting:
        each.join(20)

    assert waiting
    assert path.read_text() == "another's"


def test_slow_saves_are_rarer(tmp_path, clock):
    """A save that took a second is not repeated within twenty."""
    nb = new_notebook(cells=[new_code_cell("x")])
    document = Document(nb, tmp_path / "out.ipynb", clock=clock)
    clock.step = 1.0
    document.save()
    clock.step = 0.0

    clock.now += 19.0
    assert not document.save()
    clock.now += 2.0
    assert document.save()


def test_file_is_valid_and_alone(tmp_path):
    """The folder holds the notebook and nothing else after saves."""
    path = tmp_path / "out.ipynb"
    nb = new_notebook(cells=[new_code_cell("x")])

    for _ in range(3):
        assert Document(nb, path).save(force=True)

    assert [found.name for found in tmp_path.iterdir()] == ["out.ipynb"]
    assert path.read_text() == expected(nb)
    nbformat.validate(nbformat.read(path, as_version=4))


def test_modes_and_links_are_kept(tmp_path):
    """A saved file is as readable as any new file, or as the one that it replaces."""
    umask = os.umask(0o027)
    try:
        nb = new_notebook()
        real, link = tmp_path / "real.ipynb", tmp_path / "link.ipynb"
        Document(nb, real).save(force=True)
        assert stat.S_IMODE(real.stat().st_mode) == 0o640

        real.chmod(0o604)
        link.symlink_to(real)
        Document(nb, link).save(force=True)

        assert link.is_symlink()
        assert stat.S_IMODE(real.stat().st_mode) == 0o604
    finally:
        os.umask(umask)


@pytest.fixture
def full_disk():
    """A function that lets no file grow beyond so many bytes, until the test is over."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size or soft, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_failing_save_keeps_the_previous_version(tmp_path, full_disk):
    """When the disk is full, the previous version stays and the next save tries again."""
    path = tmp_path / "out.ipynb"
    nb = new_notebook(cells=[new_code_cell("x")])
    document = Document(nb, path)
    document.save(force=True)
    before = path.read_bytes()

    nb.cells[0].source = "y"
    document.touch(0)
    full_disk(100)
    with pytest.raises(OSError, match="File too large") as caught:
        document.save(force=True)
    full_disk(None)

    assert "untouched" in caught.value.__notes__[0]
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["out.ipynb"]
    assert document.save(force=True)
    assert path.read_text() == expected(nb)


def test_unforced_failure_is_remembered(tmp_path):
    """A save along the way that fails does not end the run; it is kept in `trouble`."""
    folder = tmp_path / "folder"
    document = Document(new_notebook(), folder / "out.ipynb")

    assert not document.save()
    assert isinstance(document.trouble, FileNotFoundError)

    folder.mkdir()
    assert document.save(force=True)
    assert document.trouble is None


def test_a_failing_save_is_told_once(tmp_path, caplog):
    """Of saves that may fail, the first failure is told, and none is raised."""
    document = Document(new_notebook(), tmp_path / "folder" / "out.ipynb")

    saved = [document.save(force=True, must=False) for _ in range(3)]
    document.finish(must=False)

    assert saved == [False] * 3
    assert len(caplog.records) == 1
    assert "could not be saved to" in caplog.text
    with pytest.raises(FileNotFoundError):
        document.finish()


def test_a_character_that_no_file_can_hold(tmp_path):
    """Half a character, which some libraries print, does not cost the document."""
    path = tmp_path / "out.ipynb"
    cell = new_code_cell("1", outputs=[new_output("stream", text="a\ud800b")])

    Document(new_notebook(cells=[cell]), path).save(force=True)

    saved = json.loads(path.read_text("utf-8"))
    assert saved["cells"][0]["outputs"][0]["text"] == ["a\ud800b"]


def test_current_folder_may_change(tmp_path, monkeypatch):
    """A relative path means the folder of the time when the document was made."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    monkeypatch.chdir(first)
    document = Document(new_notebook(), "out.ipynb")

    monkeypatch.chdir(second)
    document.save(force=True)

    assert (first / "out.ipynb").exists()
    assert not (second / "out.ipynb").exists()


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("out.ipynb", True),
        ("a/b.ipynb", True),
        ("s3://bucket/out.ipynb", False),
        ("gs://bucket/out.ipynb", False),
        ("https://host/out.ipynb", False),
        ("-", False),
        (None, False),
        ("/dev/null", False),
    ],
)
def test_only_local_files_are_saved(path, local, tmp_path, monkeypatch):
    """An address, a device and standard output are left to papermill."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()

    assert is_local(path) is local
    assert Document(new_notebook(), path).save(force=True) is local


PLAIN = {"nbformat": 4, "cells": [{"cell_type": "code", "source": ["a = 1\n", "b"]}]}
THIRD = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {"name": ""},
    "worksheets": [
        {
            "metadata": {},
            "cells": [
                {
                    "cell_type": "code",
                    "input": "1 + 1",
                    "language": "python",
                    "collapsed": False,
                    "outputs": [],
                    "prompt_number": 1,
                }
            ],
        }
    ],
}


@pytest.mark.parametrize(
    ("content", "sources"),
    [
        (json.dumps(PLAIN).encode(), ["a = 1\nb"]),
        (
            b"\xef\xbb\xbf"
            + json.dumps(PLAIN, indent=1).replace("\n", "\r\n").encode(),
            ["a = 1\nb"],
        ),
        (json.dumps(THIRD).encode(), ["1 + 1"]),
        (json.dumps({"nbformat": 4, "nbformat_minor": 2, "cells": []}).encode(), []),
    ],
    ids=["plain", "mark and CRLF", "format 3", "no cells"],
)
def test_load(content, sources, tmp_path):
    """A notebook is read whatever its age, line ends and invisible marks."""
    path = tmp_path / "book.ipynb"
    path.write_bytes(content)

    nb = load_notebook(path)

    assert [cell.source for cell in nb.cells] == sources
    assert nb.nbformat == 4
    nbformat.validate(nb)


def test_load_repairs_ids(tmp_path):
    """Cells without an id, or with another cell's, get one of their own."""
    path = tmp_path / "book.ipynb"
    cell = {"cell_type": "markdown", "source": "x", "metadata": {}}
    found = [{**cell, "id": "a"}, {**cell, "id": "a"}, cell, {**cell, "id": "no good"}]
    path.write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": found})
    )

    ids = [cell.id for cell in load_notebook(path).cells]

    assert ids == ["a", "cell-2", "cell-3", "cell-4"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{\n "cells": [,]}', r"line 2, column 12 is no valid JSON"),
        (b"{\n<<<<<<< HEAD\n", "merge conflict"),
        (b"[1]", "no 'nbformat' number"),
        (b'{"nbformat": "4"}', "no 'nbformat' number"),
        (b'{"nbformat": 5}', "format 5: .* pip install --upgrade nbformat"),
        (b'{"nbformat": 2}', "format 2: it is too old"),
        (b'{"nbformat": 3}', "format 3 and cannot be converted"),
        (b'{"nbformat": 4}', "no list of cells"),
        (
            b'{"nbformat": 4, "cells": [{"cell_type": "heading"}]}',
            "Cell 1 .*'heading'",
        ),
        (b'{"nbformat": 4, "cells": [7]}', "Cell 1"),
        (
            b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 4}]}',
            "not a valid notebook",
        ),
        (b"\xff\x00", "byte 1 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_load_what_is_no_notebook(content, message, tmp_path):
    """A file that is no notebook is refused in a sentence that says where and why."""
    path = tmp_path / "book.ipynb"
    path.write_bytes(content)

    with pytest.raises(InvalidNotebook, match=message) as caught:
        load_notebook(path)

    assert "\n" not in str(caught.value)
    assert "book.ipynb" in str(caught.value)


def test_load_what_is_not_there(tmp_path, monkeypatch):
    """A missing notebook is answered with the neighbour that was probably meant."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flights.ipynb").write_text(json.dumps(PLAIN))
    (tmp_path / "gone.ipynb").symlink_to("nowhere.ipynb")

    with pytest.raises(
        NotFound, match=r"'flihgts.ipynb'\. Did you mean 'flights.ipynb'\?"
    ):
        load_notebook("flihgts.ipynb")
    with pytest.raises(NotFound, match="folder 'no' does not exist"):
        load_notebook("no/flights.ipynb")
    with pytest.raises(NotFound, match=r"link to 'nowhere\.ipynb'"):
        load_notebook("gone.ipynb")


def test_load_what_is_no_file(tmp_path, monkeypatch):
    """A folder and a circular link are no notebooks."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ipynb").symlink_to("a.ipynb")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "b.ipynb").touch()

    with pytest.raises(InvalidNotebook, match="symbolic links"):
        load_notebook("a.ipynb")
    with pytest.raises(InvalidNotebook, match=r"is a folder.* It contains: b.ipynb"):
        load_notebook("folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_load_what_is_not_readable(tmp_path):
    """A file that may not be read is named with the reason."""
    path = tmp_path / "book.ipynb"
    path.write_text(json.dumps(PLAIN))
    path.chmod(0)

    with pytest.raises(InvalidNotebook, match="Permission denied"):
        load_notebook(path)


def test_kernel_is_found():
    """The given kernel comes first, then the notebook's own, then this Python's."""
    nb = new_notebook()
    assert find_kernel(nb) == "python3"

    nb.metadata["kernelspec"] = {"name": "no-such-kernel", "display_name": "?"}
    assert find_kernel(nb, "python3") == "python3"
    with pytest.raises(NotFound, match=r"'no-such-kernel' .* Choose one .* --kernel"):
        find_kernel(nb)


def test_kernel_is_not_found():
    """An unknown kernel is answered with the installed ones and the likeliest."""
    with pytest.raises(
        NotFound, match=r"Did you mean 'python3'.* Installed kernels: .*python3"
    ):
        find_kernel(new_notebook(), "pyhton3")


@pytest.mark.parametrize(
    ("output", "error", "message"),
    [
        ("no/out.ipynb", NotFound, "Create it with: mkdir -p 'no'"),
        ("folder", InvalidDeclaration, "is a folder. Name a file in it"),
        ("in.ipynb", InvalidDeclaration, "the input notebook itself"),
        ("folder/../in.ipynb", InvalidDeclaration, "the input notebook itself"),
        ("in.ipynb/out.ipynb", InvalidDeclaration, "is not a folder"),
    ],
)
def test_output_is_refused(output, error, message, tmp_path, monkeypatch):
    """An output that cannot or must not be written is refused before the run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.ipynb").touch()
    (tmp_path / "folder").mkdir()

    with pytest.raises(error, match=message):
        check_output(output, "in.ipynb")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_output_in_a_closed_folder(tmp_path):
    """A folder in which nothing may be created is refused before the run."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InvalidDeclaration, match="may not create files"):
            check_output(tmp_path / "out.ipynb")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("output", ["out.ipynb", "s3://bucket/x.ipynb", "-", None])
def test_output_is_accepted(output, tmp_path, monkeypatch):
    """A file in an existing folder is accepted, and what is not local is not judged."""
    monkeypatch.chdir(tmp_path)

    check_output(output, "in.ipynb")
