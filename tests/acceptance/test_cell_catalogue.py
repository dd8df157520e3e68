"""The 117 tricky cases of cells, each in real kernels or by the analysis.

The table is in ``cases_of_cells.py``, in the words of ``catalogue.py``.
"""

import os
import re

import catalogue as words
import pytest
from cases_of_cells import CASES

from nborch.notebook.analysis import analyse

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX"),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def rows():
    for number, case in CASES.items():
        marks = [pytest.mark.xfail(reason=case.open, strict=True)] if case.open else []
        yield pytest.param(number, id=f"{number:03}", marks=marks)


#: Begins anew in a tenth of the time that ``%reset`` and loading nborch again take.
FORGET = """
def _forget():
    import os
    from nborch.home import current_home
    from nborch.notebook.effects.namespace import is_shells
    os.chdir({folder!r})
    cache, shell = current_home().cache, get_ipython()
    for entry in list(cache.entries()) if {all} else ():
        cache.forget(entry.key)
    for name in list(shell.user_ns):
        if not (name in shell.user_ns_hidden or is_shells(name) or name[:2] == "__"):
            del shell.user_ns[name]
_forget()
"""


class Kernels:
    """Kernels one after the other, in one folder and with one home."""

    def __init__(self, processes, folder):
        self._processes = processes
        self._folder = folder
        self._turn = 0
        self._begun = set()
        self._fresh = False
        self._forgets = False

    def restart(self, *, forget=False):
        """Let another kernel be the next; with nothing kept, if it is to `forget`."""
        self._turn, self._fresh = self._turn + 1, False
        self._forgets |= forget

    def __call__(self, source):
        turn = self._turn % len(self._processes)
        kernel = self._processes[turn]
        if turn not in self._begun:
            kernel.start_over(self._folder / "home", self._folder)
            self._begun.add(turn)
        if not self._fresh:
            # Loading nborch anew for each would take ten times as long.
            told = kernel(FORGET.format(folder=str(self._folder), all=self._forgets))
            assert told.ok, told
            self._fresh, self._forgets = True, False
        return kernel(source)

    def follow(self, script):
        """Do what a script says; each step has to come out as expected."""
        self.restart(forget=True)
        told = []
        for step in script.steps:
            told.append(step.source or "restart")
            if step.restarts:
                self.restart()
            elif step.writes is not None:
                path = self._folder / step.source
                path.parent.mkdir(exist_ok=True)
                path.write_text(step.writes)
            else:
                check(step, self(step.source), "\n--\n".join(told))


def check(step, shown, story):
    """Compare what a cell showed with what is expected of it."""
    assert shown.ok is not step.fails, (shown, story)
    if step.outcomes is not None:
        assert shown.outcome in step.outcomes, (shown, story)
    told = plain(shown.error if step.fails else shown.badge)
    for word in step.words:
        assert word in told, (shown, story)
    if step.result is not None:
        assert shown.result == step.result, (shown, story)
    if step.stdout is not None:
        assert shown.stdout == step.stdout, (shown, story)


def plain(text):
    """Return text without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text or "")


@pytest.fixture
def kernels_in_turn(kernel_processes, tmp_path):
    return Kernels(kernel_processes, tmp_path)


@pytest.mark.parametrize("number", list(rows()))
def test_case(kernels_in_turn, number):
    """Each case of the catalogue is as expected."""
    for each in CASES[number].checks:
        if isinstance(each, words.Script):
            kernels_in_turn.follow(each)
        elif isinstance(each, words.Reads):
            compare(each)
        elif isinstance(each, words.Covered):
            assert each.is_there(), f"There is no test {each.test!r}."
        else:
            assert isinstance(each, words.NotHere)
            assert each.reason


def compare(expected):
    """Compare what the analysis finds in a cell with what there is."""
    found = analyse(expected.source)
    names = {
        "reads": found.reads,
        "writes": found.writes,
        "maybe": found.maybe_writes,
        "deletes": found.deletes,
    }
    builtin = set(dir(__import__("builtins"))) | {"get_ipython"}
    for what, are in names.items():
        wanted = set(getattr(expected, what).split())
        assert are - (builtin - wanted) == wanted, (what, expected.source)


def test_every_case_has_a_row():
    """All 117 cases are in the table, each with at least one check."""
    assert list(CASES) == list(range(1, 118))
    assert all(case.checks for case in CASES.values())
