"""Coming from Prefect: what the manual promises of it."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nborch import flow, task
from nborch.absent import ABSENT
from nborch.exceptions import InvalidDeclaration

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "migrate.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def block(language):
    """Return the manual's only block in a language."""
    (text,) = [text for found, text in BLOCKS if found == language]
    return text


def rows(title):
    """Return the rows of the table below a heading, as lists of cells."""
    part = TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names(cell):
    """Return the names that stand in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def test_replacing_the_root_is_enough(tmp_path):
    """The program of the manual runs once its imports name nborch."""
    (tmp_path / "program.py").write_text(block("python"))

    subprocess.run(["sh", "-c", block("sh")], cwd=tmp_path, check=True, timeout=60)
    done = subprocess.run(
        [sys.executable, "migrated.py"],
        cwd=tmp_path,
        env={**os.environ, "NBORCH_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stdout == block("text"), done.stderr
    assert re.search(r"Flow run '(\S+)' - \1: 435", done.stderr)


def test_no_block_is_left_out():
    """Whoever adds a block adds a test of it."""
    assert sorted(kind for kind, _ in BLOCKS) == ["diff", "python", "sh", "text"]
    for line in block("diff").splitlines():
        if line.startswith("+"):
            exec(line[1:])


PATHS = rows("Where the names are")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (path, name)
        for paths, listed in PATHS
        for path in names(paths)
        for name in names(listed)
    ],
)
def test_the_names_are_where_the_manual_says(path, name):
    """Each name of the table can be imported from its path."""
    assert hasattr(importlib.import_module(path), name)


def test_the_table_of_what_is_not_there():
    """The manual lists exactly the names whose errors say what to do, in their words."""
    told = {
        name: what
        for listed, what in rows("What is not there")
        for name in names(listed)
    }

    assert told == dict(ABSENT)


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (task, {"result_storage": "s3/mine"}),
        (flow, {"result_storage": "s3/mine"}),
        (task, {"asset_deps": ["s3://rows"]}),
    ],
)
def test_options_that_are_refused(make, option):
    """An option that would do nothing is an error at the decorator."""
    (name,) = option

    with pytest.raises(InvalidDeclaration, match=f"{name} is not supported"):
        make(**option)(lambda: None)


def test_failures_nobody_asked_about(home):
    """A flow that returns while submitted tasks have failed says which, and goes on."""

    @task
    def boom():
        raise ValueError("no rows")

    @flow
    def careless():
        boom.submit()

    state = careless(return_state=True)

    assert state.is_completed()
    assert "1 of 1 submitted task runs did not complete" in state.message
    assert "no rows" in state.message
