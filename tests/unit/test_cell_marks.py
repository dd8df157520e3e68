"""What a cell asks of its run: tags, metadata, a comment at its top."""

import pytest
from nbformat.v4 import new_code_cell

from nborch.exceptions import InvalidDeclaration
from nborch.notebook.marks import Marks, marks_of

INF = float("inf")

SAID = [
    ("1", [], {}, Marks()),
    ("1", ["skip-execution"], {}, Marks(skips=True)),
    ("1", ["raises-exception"], {}, Marks(may_raise=True)),
    ("1", ["once", "timeout=30"], {}, Marks(once=True, timeout_seconds=30.0)),
    ("1", ["timeout=1.5s"], {}, Marks(timeout_seconds=1.5)),
    ("1", ["timeout=none"], {}, Marks(timeout_seconds=INF)),
    ("1", [], {"timeout": 7}, Marks(timeout_seconds=7.0)),
    ("1", [], {"once": True}, Marks(once=True)),
    ("1", ["timeout=30"], {"timeout": 7}, Marks(timeout_seconds=7.0)),
    ("# nborch: timeout=2\n1", [], {}, Marks(timeout_seconds=2.0)),
    ("#nborch: once, timeout=2", [], {}, Marks(once=True, timeout_seconds=2.0)),
    ("%%task load\n# nborch: once\n1", [], {}, Marks(once=True)),
    ("\n# nborch: skip-execution\n1", [], {}, Marks(skips=True)),
    # What only looks like it
    ("# nborch: run this once a day\n1", [], {}, Marks()),
    ("x = 1\n# nborch: once", [], {}, Marks()),
    ("1", ["at-once", "timeouts"], {}, Marks()),
    ("1", [], "once", Marks()),
]


@pytest.mark.parametrize(("source", "tags", "own", "marks"), SAID)
def test_a_cell_says_what_it_asks_for(source, tags, own, marks):
    """Tags, metadata and a first comment line say the same; prose says nothing."""
    cell = new_code_cell(source, metadata={"tags": tags, "nborch": own})

    assert marks_of(cell, 1) == marks


@pytest.mark.parametrize("text", ["soon", "-3", "0", "", "1e999", "nan"])
def test_a_time_limit_is_a_number_of_seconds(text):
    """A time limit that is none is an error that names the cell."""
    cell = new_code_cell("1", metadata={"tags": [f"timeout={text}"]})

    with pytest.raises(InvalidDeclaration, match="Cell 4 has the time limit"):
        marks_of(cell, 4)


@pytest.mark.parametrize(
    ("own", "default", "limit"),
    [(None, 5.0, 5.0), (30.0, 5.0, 30.0), (INF, 5.0, None), (None, None, None)],
)
def test_a_cells_own_limit_comes_first(own, default, limit):
    """What the cell says holds in place of the run's limit for cells."""
    assert Marks(timeout_seconds=own).limit(default) == limit
