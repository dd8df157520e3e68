"""How the notebook of a flow is run: paths from templates, turns, titles."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from nborch.exceptions import InvalidDeclaration
from nborch.notebook.flows.files import title_of
from nborch.notebook.flows.forms import ERROR_TAG, marked, parameterised
from nborch.notebook.flows.setups import RunSetup
from nborch.notebook.flows.turns import Turns, turns_of

OPTIONS = {
    "output": None,
    "kernel": None,
    "cwd": None,
    "cell_timeout": None,
    "engine": None,
    "parallel": None,
    "allow_unknown": False,
    "graph": False,
}


def output_of(template, **parameters):
    setup = RunSetup.checked("Flow 'etl'", {**OPTIONS, "output": template})
    setup.check_fields("Flow 'etl'", parameters)
    run = SimpleNamespace(of="etl", name="calm-owl", id="0123456789")
    context = SimpleNamespace(run=run, home=SimpleNamespace(folder="s3://home"))
    return setup.output_of(context, Path("etl.ipynb"), parameters)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        (None, None),
        ("s3://a/{run}.ipynb", "s3://a/calm-owl.ipynb"),
        ("s3://a/{name}-{month:02}.ipynb", "s3://a/etl-07.ipynb"),
        ("s3://a/{{x}}.ipynb", "s3://a/{x}.ipynb"),
        ("{home}/{run_id}.ipynb", "s3://home/0123456789.ipynb"),
    ],
)
def test_an_output_is_a_template(template, path):
    """A path may ask for the run, the notebook and the parameters."""
    assert output_of(template, month=7) == path


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("s3://a/{mont}.ipynb", r"asks for 'mont'.* Did you mean 'month'"),
        ("s3://a/{month:%Y}.ipynb", "no path can be made of the output"),
        ("s3://a/{.ipynb", "is no template"),
        (7, "output must be a path"),
    ],
)
def test_a_wrong_output_is_told(template, told):
    """A template that cannot be filled is an error that says why."""
    with pytest.raises(InvalidDeclaration, match=told):
        output_of(template, month=7)


def test_turns_are_taken():
    """No more calls go on at the same time than there are places."""
    turns = Turns(2)
    going, most = [], []
    both = threading.Barrier(2, timeout=20)

    def work():
        going.append(1)
        most.append(len(going))
        both.wait()
        going.pop()

    threads = [threading.Thread(target=turns.take, args=(work,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert max(most) == 2


def test_a_place_is_given_back():
    """A call that raises leaves its place to the next one."""
    turns = Turns(1)

    with pytest.raises(ZeroDivisionError):
        turns.take(lambda: 1 / 0)

    assert turns.take(lambda: 42) == 42


def test_turns_are_shared_unless_a_number_is_given():
    """All flows share the processors; a number of places is one's own."""
    assert turns_of("Flow 'a'", None) is turns_of("Flow 'b'", None)
    assert turns_of("Flow 'a'", 3).places == 3
    with pytest.raises(InvalidDeclaration, match="at_once must be a whole number"):
        turns_of("Flow 'a'", 0)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Daily *report*", "Daily report"),
        ("some text\n\n## [Sales](x.html) of `UA` ##", "Sales of UA"),
        ("#no heading", None),
    ],
)
def test_the_title_is_the_first_heading(text, title):
    """Marks of emphasis, links and code are left out of a title."""
    assert title_of(new_notebook(cells=[new_markdown_cell(text)])) == title


def test_an_error_is_marked_in_a_copy():
    """The marks lead to the cell, papermill knows them, and a new run drops them."""
    nb = new_notebook(cells=[new_markdown_cell("a"), new_markdown_cell("b")])

    shown = marked(nb, 1, "ValueError: <b>\n no")

    assert [cell.source for cell in nb.cells] == ["a", "b"]
    assert [ERROR_TAG in cell.metadata.get("tags", []) for cell in shown.cells] == [
        True,
        False,
        True,
        False,
    ]
    assert "cell 2</a>: ValueError: &lt;b&gt; no" in shown.cells[0].source
    again, _ = parameterised(shown, {}, "python3", source="a.ipynb", output=None)
    assert [cell.source for cell in again.cells] == ["a", "b"]
