"""Outputs that are too large for a document: what stays, and what is in files."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_output

from nborch.notebook import streams
from nborch.notebook.spilling import Share, Spill
from nborch.notebook.streams import Stream


@pytest.fixture
def spill(tmp_path):
    return Spill(tmp_path / "outputs", limit=10_000)


@pytest.fixture
def short_ends(monkeypatch):
    monkeypatch.setattr(streams, "ENDS", 1_000)


def stream(text="", share=None):
    return Stream(new_output("stream", name="stdout", text=text), share)


def message(data, kind="display_data"):
    return {"msg_type": kind, "content": {"data": data, "metadata": {}}}


def test_a_short_stream_stays_whole(spill):
    """What fits into the document is in no file."""
    grown = stream("a\n", Share(spill, 0))

    for _ in range(100):
        grown.add("b\n")
    grown.settle()

    assert grown.output.text == "a\n" + 100 * "b\n"
    assert not spill.folder.exists()


def test_a_long_stream_keeps_its_ends(spill, short_ends):
    """Of a long stream the document has the first and the last lines; all is in a file."""
    lines = [f"line {i}\n" for i in range(5_000)]
    grown = stream(lines[0], Share(spill, 2))

    for i, line in enumerate(lines[1:]):
        grown.add(line)
        if i % 700 == 0:
            grown.settle()
    grown.settle()

    path = spill.folder / "cell-3.stdout.txt"
    assert path.read_text() == "".join(lines)
    first, gap, last = grown.output.text.partition("... ")
    assert "".join(lines).startswith(first)
    assert first.endswith("\n")
    assert str(path) in gap + last
    assert grown.output.text.endswith(lines[-1])
    assert len(grown.output.text) < 3_000
    # And a second settle changes nothing
    before = grown.output.text
    grown.settle()
    assert grown.output.text == before


@given(st.lists(st.text(max_size=40), max_size=40), st.integers(0, 60))
def test_no_character_is_lost(tmp_path_factory, pieces, limit):
    """However a text is cut into pieces, the document or the file has all of it."""
    folder = tmp_path_factory.mktemp("outputs")
    grown = stream("", Share(Spill(folder, limit), 0))

    for piece in pieces:
        grown.add(piece)
    grown.settle()

    files = list(folder.iterdir())
    text = files[0].read_bytes().decode() if files else grown.output.text
    assert text == "".join(pieces)


def test_one_huge_print_is_shortened(spill, short_ends):
    """A single text that is too long is kept in a file as well, even without lines."""
    grown = stream("x" * 50_000, Share(spill, 0))

    grown.settle()

    assert len(grown.output.text) < 3_000
    assert (spill.folder / "cell-1.stdout.txt").stat().st_size == 50_000


def test_a_stream_that_cannot_be_kept_says_so(tmp_path, short_ends):
    """If the file cannot be written, the document says so, and the run goes on."""
    (tmp_path / "outputs").write_text("a file in the place of the folder")
    grown = stream("x" * 50_000, Share(Spill(tmp_path / "outputs", 10_000), 0))

    grown.settle()

    assert "could not be kept in a file" in grown.output.text
    assert len(grown.output.text) < 3_000


def test_a_large_display_becomes_a_file(spill):
    """A picture that is too large is a file, with a link to it in its place."""
    picture = base64.b64encode(bytes(1_500_000)).decode()
    share = Share(spill, 4)

    shown = share.fitted(message({"image/png": picture, "text/plain": "<Figure>"}))[
        "content"
    ]["data"]

    path = spill.folder / "cell-5.png"
    assert path.read_bytes() == bytes(1_500_000)
    assert "image/png" not in shown
    assert shown["text/plain"].startswith("<Figure>\n")
    assert str(path) in shown["text/plain"]
    assert f'href="{path.as_uri()}"' in shown["text/html"]
    # And what is small is shown as ever
    small = message({"text/plain": "7"})
    assert share.fitted(small) is small


def test_a_cell_that_shows_too_much(spill):
    """Displays beyond the cell's share are lines of one file, told of by one stub."""
    share = Share(spill, 0)

    shown = [share.fitted(message({"text/plain": f"{i:0500}"})) for i in range(50)]

    stubs = [each for each in shown if each and "jsonl" in str(each)]
    assert len(stubs) == 1
    whole = [each for each in shown if each and each not in stubs]
    path = spill.folder / "cell-1.outputs.jsonl"
    rest = [json.loads(line) for line in path.read_text().splitlines()]
    told = [each["content"]["data"]["text/plain"] for each in whole]
    told += [each["data"]["text/plain"] for each in rest]
    assert told == [f"{i:0500}" for i in range(50)]
    assert rest[0]["output_type"] == "display_data"


def test_a_display_that_is_updated(spill):
    """What takes the place of an earlier display uses up nothing, however often."""
    share = Share(spill, 0)

    updates = [share.stub({"text/plain": "x" * 900}, anew=True) for _ in range(100)]

    assert updates == [None] * 100
    assert share.room == spill.limit


def test_a_huge_error_is_shortened(spill):
    """An error with a message of megabytes stays readable; all of it is in a file."""
    content = {"ename": "ValueError", "evalue": "x" * 3_000_000, "traceback": ["y" * 9]}

    shown = Share(spill, 0).fitted({"msg_type": "error", "content": content})

    assert len(str(shown)) < 10_000
    assert shown["content"]["ename"] == "ValueError"
    assert (spill.folder / "cell-1.error.txt").stat().st_size > 3_000_000
