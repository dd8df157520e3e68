"""The words of the catalogue: what a case does in real kernels, and what is expected."""

import ast
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Step:
    """One thing that is done: a cell, a restart, a file that is written.

    `outcomes` are the words that its badge may have; `words` are looked for in the
    badge, or in the error of a cell that `fails`; `result` is what it shows last.
    """

    source: str = ""
    outcomes: tuple[str | None, ...] | None = None
    words: tuple[str, ...] = ()
    result: str | None = None
    fails: bool = False
    restarts: bool = False
    writes: str | None = None
    stdout: str | None = None


def _under(header, body):
    return f"{header}\n{textwrap.dedent(body).strip()}"


def cell(source):
    """A plain cell."""
    return Step(textwrap.dedent(source).strip())


def ran(body, *words, header="%%task", **more):
    """A cell task that runs and is kept."""
    return Step(_under(header, body), ("ran",), words, **more)


def hit(body, *words, header="%%task", **more):
    """A cell task that is restored."""
    return Step(_under(header, body), ("cached",), words, **more)


def uncached(body, *words, header="%%task", **more):
    """A cell task that runs each time, and says why."""
    return Step(_under(header, body), ("uncached",), words, **more)


def again(body, *words, header="%%task", **more):
    """A cell task that runs, kept or not: what it leaves has to be right."""
    return Step(_under(header, body), ("ran", "uncached"), words, **more)


def task(body, header="%%task", **more):
    """A cell task that may run or be restored: what it leaves has to be right."""
    return Step(_under(header, body), ("ran", "uncached", "cached"), **more)


def silent(body, header="%%task"):
    """A cell task without a badge."""
    return Step(_under(header, body), (None,))


def fails(source, *words):
    """A cell whose error has these words."""
    return Step(textwrap.dedent(source).strip(), (None,), words, fails=True)


def sees(expression, shown):
    """A plain cell whose value looks like this."""
    return Step(expression, result=shown)


def write(path, text):
    """A file changes beside the notebook."""
    return Step(path, writes=text)


def restart():
    """The kernel is another one from here on."""
    return Step(restarts=True)


@dataclass(frozen=True)
class Script:
    """Steps in a fresh kernel."""

    steps: tuple[Step, ...]


def script(*steps):
    flat = []
    for step in steps:
        flat += step if isinstance(step, list) else [step]
    return Script(tuple(flat))


def twice(before, body, look, shown, outcome="cached"):
    """Run a cell task in two kernels: the second one leaves what the first one left."""
    second = Step(_under("%%task", body), (outcome,))
    return script(
        *([cell(before)] if before else []),
        ran(body) if outcome == "cached" else again(body),
        sees(look, shown),
        restart(),
        *([cell(before)] if before else []),
        second,
        sees(look, shown),
    )


def told_apart(*pairs, before="import numpy as np\nimport pandas as pd"):
    """A cell that reads `v` runs again for the second value of each pair."""
    return _pairs("ran", pairs, before)


def taken_as_one(*pairs, before="import numpy as np\nimport pandas as pd"):
    """A cell that reads `v` is restored for the second value of each pair."""
    return _pairs("cached", pairs, before)


def _pairs(outcome, pairs, before):
    steps = [cell(before)]
    for number, (one, other) in enumerate(pairs):
        body = f"y = {number}, str(type(v))"
        steps += [
            cell(f"v = {one}"),
            ran(body),
            cell(f"v = {other}"),
            Step(_under("%%task", body), (outcome,)),
        ]
    return Script(tuple(steps))


def edited(outcome, *pairs, before=""):
    """A cell task whose text changes runs again, or is restored all the same."""
    steps = [cell(before)] if before else []
    for one, other in pairs:
        steps += [ran(one), Step(_under("%%task", other), (outcome,))]
    return Script(tuple(steps))


def after(outcome, body, *turns):
    """The last of these cells changes something: does the cell task run again?

    Each turn is what is executed before: first the one, then the other.
    """
    steps = []
    for one, other in turns:
        steps += [
            cell(one),
            ran(body, header="%%task --refresh"),
            cell(other),
            Step(_under("%%task", body), (outcome,)),
        ]
    return Script(tuple(steps))


@dataclass(frozen=True)
class Reads:
    """What the analysis finds in a cell; names with blanks between them."""

    source: str
    reads: str = ""
    writes: str = ""
    maybe: str = ""
    deletes: str = ""


@dataclass(frozen=True)
class Covered:
    """A test elsewhere covers the case: ``integration/test_x.py::test_y[row]``."""

    test: str

    def is_there(self):
        """Whether there is such a test, and such a row in its file."""
        path, _, name = self.test.partition("::")
        name, _, row = name.partition("[")
        functions, texts = _contents(path)
        return name in functions and (not row or row.removesuffix("]") in texts)


@cache
def _contents(path):
    file = TESTS / path
    if not file.exists():
        return frozenset(), frozenset()
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    functions = {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
    texts = {n.value for n in nodes if isinstance(n, ast.Constant)}
    return frozenset(functions), frozenset(t for t in texts if isinstance(t, str))


@dataclass(frozen=True)
class NotHere:
    """The case cannot arise here, for this reason."""

    reason: str


@dataclass(frozen=True)
class Case:
    """A case of the catalogue: one sentence, and what checks it.

    `open` names what is not yet as it should be; the case is expected to fail.
    """

    sentence: str
    checks: tuple[object, ...]
    open: str = ""


def case(sentence, *checks, open=""):  # noqa: A002 (reads well in the table)
    return Case(sentence, checks, open)
