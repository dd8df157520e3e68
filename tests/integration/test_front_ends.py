"""One notebook in every front end: what one has kept, the next restores.

Each runs the cells that the one before it has kept, under other ids, in another order,
in another folder; and then some of its own, for the next one.
"""

import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nborch.view.badge import MIME

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="pseudo terminals of POSIX"),
    pytest.mark.timeout(240),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

LOAD = "%load_ext nborch"
PLAIN = "def total_of(rows):\n    return sum(rows)"


def tasks(number):
    """Return three cell tasks that no other number has."""
    load = (
        f"%%task load_{number}\nrows_{number} = [i * {number} for i in range(5)]\n"
        f"print(len(rows_{number}), 'rows')\nrows_{number}"
    )
    total = f"%%task total\ntotal_{number} = total_of(rows_{number})\ntotal_{number}"
    wait = (
        "%%task wait\nimport asyncio\n"
        f"waited_{number} = await asyncio.sleep(0, {number})"
    )
    return [load, total, wait]


def check(number):
    return (
        f"assert (total_{number}, waited_{number}) == ({10 * number}, {number})\n"
        f"print('all of {number}')"
    )


def cells_of(number):
    """Return the cells of the front end with a number: known ones and new ones."""
    known, new = tasks(number - 1), tasks(number)
    mixed = [*known, *new] if number % 2 else [*new, *known]
    return [LOAD, PLAIN, *mixed, check(number - 1), check(number)]


class Desk:
    """A folder of its own for one front end, and the home that all share."""

    def __init__(self, folder, home, run_program):
        folder.mkdir()
        self.run_program = run_program
        self.folder = folder
        self.environ = {
            **os.environ,
            "NBORCH_HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "TERM": "xterm",
        }

    def command(self, *words):
        """Run a program; return what it printed."""
        done = self.run_program(words, folder=self.folder, environ=self.environ)
        return done.stdout

    def notebook(self, cells):
        """Write a notebook with new ids."""
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        made = [new_code_cell(cell, id=secrets.token_hex(4)) for cell in cells]
        made.insert(2, new_markdown_cell("Some words.", id=secrets.token_hex(4)))
        nb = new_notebook(cells=made, metadata={"kernelspec": spec})
        path = self.folder / f"page-{secrets.token_hex(2)}.ipynb"
        nbformat.write(nb, path)
        return path


def in_a_notebook(path):
    """Return what an executed notebook shows, as a terminal would."""
    shown = []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            shown.append(output.get("text") or str(data.get("text/plain")) + "\n")
            assert (MIME in data) == bool(BADGE.match(shown[-1])), output
    return "".join(shown)


BADGE = re.compile(r"(?m)^(cached|ran|uncached) · .*$")

# The front ends: each returns what it showed as text.


def nbclient(desk, cells):
    path = desk.notebook(cells)
    desk.command("jupyter-execute", path, "--output", "done.ipynb")
    return in_a_notebook(desk.folder / "done.ipynb")


def papermill(desk, cells):
    path = desk.notebook(cells)
    desk.command("papermill", path, "done.ipynb", "--no-progress-bar")
    return in_a_notebook(desk.folder / "done.ipynb")


def nborch(desk, cells):
    path = desk.notebook(cells)
    desk.command("nborch", "run", path, "-o", "done.ipynb")
    return in_a_notebook(desk.folder / "done.ipynb")


def run_magic(desk, cells):
    return desk.command("ipython", "--colors=NoColor", "-c", f"%run {desk.notebook(cells)}")  # fmt: skip


def ipython_file(desk, cells):
    return desk.command("ipython", "--colors=NoColor", desk.notebook(cells))


SCRIPT = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in json.load(open(sys.argv[1])):
    shell.run_cell(cell, store_history=True).raise_error()
"""


def a_shell_in_a_script(desk, cells):
    (desk.folder / "script.py").write_text(SCRIPT)
    (desk.folder / "cells.json").write_text(json.dumps(cells))
    return desk.command("python", "script.py", "cells.json")


def jupytext(desk, cells):
    """As ``jupytext --to ipynb`` reads the percent format that it writes itself."""
    script = "\n\n".join(f"# %%\n{re.sub('(?m)^%', '# %', cell)}" for cell in cells)
    (desk.folder / "page.py").write_text(script + "\n")
    read = re.split(r"(?m)^# %%\n", (desk.folder / "page.py").read_text())[1:]
    cells = [re.sub("(?m)^# %", "%", cell).strip("\n") for cell in read]
    return a_shell_in_a_script(desk, cells)


def terminal(desk, cells):
    """A person at IPython's prompt, who pastes the cells one by one."""
    import pexpect

    child = pexpect.spawn(
        str(BIN / "ipython"),
        ["--no-banner", "--no-confirm-exit", "--colors=NoColor"],
        cwd=str(desk.folder),
        env=desk.environ,
        encoding="utf-8",
        dimensions=(100, 120),
        timeout=40,
    )
    shown = []
    try:
        for number, cell in enumerate([*cells, "1"], start=1):
            child.expect_exact(f"In [{number}]:")
            shown.append(child.before)
            child.send(f"\x1b[200~{cell}\x1b[201~\x1b\r")
        child.expect_exact(f"In [{number + 1}]:")
        child.sendline("exit")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", "".join(shown))


FRONT_ENDS = [
    *[nbclient, papermill, nborch, run_magic, ipython_file, a_shell_in_a_script],
    *[jupytext, terminal],
]


@pytest.fixture(scope="module")
def shown(tmp_path_factory, run_program):
    """What each front end showed, one after the other."""
    folder = tmp_path_factory.mktemp("front-ends")
    shown = {}
    for number, front_end in enumerate(FRONT_ENDS, start=2):
        desk = Desk(folder / front_end.__name__, folder / "home", run_program)
        shown[front_end] = front_end(desk, cells_of(number))
    return shown


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_front_ends(shown, front_end):
    """A front end restores what the one before it has kept, and shows it alike."""
    number = FRONT_ENDS.index(front_end) + 2

    text = shown[front_end]

    known = ["ran" if number == 2 else "cached"] * 3
    new = ["ran"] * 3
    assert BADGE.findall(text) == ([*known, *new] if number % 2 else [*new, *known])
    for each in (number - 1, number):
        assert f"all of {each}" in text
        assert str([i * each for i in range(5)]) in text
    assert text.count("5 rows") == 2


def test_vs_code(kernel, other, tmp_path):
    """VS Code's kernel restores what another has kept: its cell ids, its own name of
    the notebook's file and the absence of Jupyter's count for nothing.
    """
    for source in (PLAIN, *tasks(1)):
        kernel(source)
    other(f"__vsc_ipynb_file__ = {str(tmp_path / 'page.ipynb')!r}")

    badges = []
    for number, source in enumerate([PLAIN, *tasks(1), check(1)]):
        cell = f"vscode-notebook-cell:/home/me/page.ipynb#W{number}sZmlsZQ%3D%3D"
        message = other.client.session.msg(
            "execute_request",
            {"code": source, "silent": False, "store_history": True}
            | {"user_expressions": {}, "allow_stdin": False, "stop_on_error": True},
            metadata={"cellId": cell},
        )
        other.client.shell_channel.send(message)
        badges.append(other.wait(message["header"]["msg_id"]).outcome)

    assert badges == [None, "cached", "cached", "cached", None]


def test_one_entry_for_equal_cells(kernel, tmp_path):
    """Equal cells share one entry, however often they stand in a notebook."""
    kernel("x = 2")
    kernel("%%task first\ny = [x] * 3")
    kernel("del y")

    again = kernel("%%task second\n\ny = [x] * 3  # the same")

    assert again.outcome == "cached"
    assert kernel("y").result == "[2, 2, 2]"


def test_a_cell_that_was_split(kernel, other):
    """Of a cell that was split in two, a part that another notebook has is restored."""
    kernel("%%task whole\na = 1\nb = a + 1")
    kernel("%%task part\na = 1")

    other("%%task one\na = 1")
    second = other("%%task two\nb = a + 1")
    first = other("%%task one\na = 1")

    assert (first.outcome, second.outcome) == ("cached", "ran")


def test_plain_python_runs_the_script(tmp_path):
    """A notebook that jupytext wrote as a script runs without IPython or nborch."""
    source = "\n\n".join(
        f"# %%\n{re.sub('(?m)^%', '# %', cell)}"
        for cell in [PLAIN, *tasks(3)[:2], check(3).replace("waited_3", "3")]
    )
    (tmp_path / "page.py").write_text(source)

    done = subprocess.run(
        [sys.executable, "-S", tmp_path / "page.py"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "5 rows\nall of 3\n"
