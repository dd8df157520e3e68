"""Addresses: a server that runs by itself is found, and one that has gone is not."""

import json
import os
import stat
import subprocess
import sys

import pytest

from nborch import flow
from nborch.home import open_home
from nborch.settings import load_settings
from nborch.view import addresses
from nborch.view.addresses import (
    address_of,
    forget_address,
    mark,
    note_address,
    page_of,
)

HERE = "http://127.0.0.1:4200/"


def test_a_server_is_found_by_its_home(home):
    """Whoever uses the home finds the page of a run, and nobody else reads where."""
    note_address(home, HERE)

    file = home.folder / addresses.FILE
    assert address_of(home) == HERE
    assert page_of(home, "0192-ab") == f"{HERE}runs/0192-ab"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_a_server_there_is_no_page(home):
    """Nothing is linked to if no server was started, or it has ended."""
    before = page_of(home, "0192-ab")
    note_address(home, HERE)
    forget_address(home)

    assert before is None
    assert address_of(home) is None
    assert not (home.folder / addresses.FILE).exists()


def test_a_server_that_died_is_not_found(home):
    """What a killed server has left leads nowhere, and so it is not told."""
    program = (
        "import os; from nborch.home import current_home;"
        "from nborch.view.addresses import note_address;"
        f"note_address(current_home(), {HERE!r}); os._exit(9)"
    )
    environ = {**os.environ, "NBORCH_HOME": str(home.folder)}
    subprocess.run([sys.executable, "-c", program], env=environ, check=False)

    assert (home.folder / addresses.FILE).exists()
    assert address_of(home) is None


def test_a_server_does_not_take_back_the_address_of_another(home):
    """Of two servers on one home, the end of the first leaves the second's address."""
    note_address(home, HERE)
    file = home.folder / addresses.FILE
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "process": "elsewhere:1:0"}))

    forget_address(home)

    assert address_of(home) == HERE


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"address": 1}', '{"address": "javascript:1"}']
)
def test_what_is_no_address_is_none(home, text):
    """A file that somebody has damaged leads nowhere."""
    note_address(home, HERE)
    file = home.folder / addresses.FILE
    told = json.loads(file.read_text())
    is_whole = text.startswith('{"address": "')
    file.write_text(json.dumps({**told, **json.loads(text)}) if is_whole else text)

    assert address_of(home) is None


def test_a_home_is_marked_by_where_it_really_lies(home, tmp_path):
    """Two names of one folder have one mark, which tells neither of them."""
    other = tmp_path / "linked"
    other.symlink_to(home.folder)
    home.folder.mkdir(exist_ok=True)
    linked = open_home(load_settings(environ={"NBORCH_HOME": str(other)}))

    assert mark(linked) == mark(home)
    assert str(tmp_path) not in mark(home)


def test_a_saved_graph_leads_to_no_server(home):
    """The page of a server is linked to while one looks on, and not in what is saved."""
    from nborch.notebook.graphs.following import Following

    note_address(home, HERE)
    followed = []

    @flow
    def looked_at():
        from nborch.context import current_run

        followed.append(Following(current_run.get()))
        followed.append(followed[0].view.snapshot()["run"])

    looked_at()
    followed[0].end()
    kept = followed[0].kept().snapshot()["run"]

    assert followed[1]["link"].startswith(f"{HERE}runs/")
    assert "link" not in kept
    assert kept["home"] == mark(home)
