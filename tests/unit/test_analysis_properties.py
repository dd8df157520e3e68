"""Random cells are run under a tracer, and the analysis has to have foreseen it all."""

import builtins
import dis
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nborch.notebook.analysis import analyse

NAMES = "abcdef"
LONGEST_RUN = 4000
#: Python itself reads and binds these: for the module of a class, for annotations.
IMPLICIT = frozenset({"__name__", "__annotations__"})

# --- what really happens ------------------------------------------------------------


class OutOfSteps(BaseException):
    """The cell has run long enough."""


@dataclass
class Trace:
    """Which names of the namespace a run of code touched, instruction by instruction.

    A dict that records look-ups would miss the functions, whose ``LOAD_GLOBAL`` goes
    past it. The interpreter's own trace of instructions misses nothing.
    """

    namespace: dict[str, Any]
    read_from_before: set[str] = field(default_factory=set)
    killed: set[str] = field(default_factory=set)
    steps: int = 0
    _names: dict[Any, dict[int, tuple[str, str]]] = field(default_factory=dict)

    def run(self, code: types.CodeType) -> BaseException | None:
        """Execute `code` and return what it raised."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            exec(code, self.namespace)
        except (Exception, OutOfSteps) as error:  # noqa: BLE001 (random cells raise anything)
            return error
        finally:
            sys.settrace(before)
        return None

    def _enter(self, frame: types.FrameType, event: str, arg: object) -> Any:
        if frame.f_globals is not self.namespace:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._step

    def _step(self, frame: types.FrameType, event: str, arg: object) -> Any:
        if event != "opcode":
            return self._step
        self.steps += 1
        if self.steps > LONGEST_RUN:
            raise OutOfSteps
        code = frame.f_code
        if code not in self._names:
            self._names[code] = {
                instruction.offset: (instruction.opname, instruction.argval)
                for instruction in dis.get_instructions(code)
                if instruction.opname.endswith(("_NAME", "_GLOBAL", "_GLOBALS"))
            }
        operation, name = self._names[code].get(frame.f_lasti, ("", ""))
        # NB. Not by f_locals: since 3.12 a cell's own may be a copy for a while, where
        # a comprehension is inlined.
        in_class = operation.endswith("_NAME") and code.co_name != "<module>"
        if operation.startswith("LOAD"):
            if in_class and name in frame.f_locals:
                return self._step
            if name not in self.killed:
                self.read_from_before.add(name)
        elif operation.startswith(("STORE", "DELETE")) and not in_class:
            # A deletion that fails for want of the name is a look-up all the same.
            if operation.startswith("DELETE") and name not in self.killed:
                self.read_from_before.add(name)
            if operation.startswith("STORE") or name in self.namespace:
                self.killed.add(name)
        return self._step


def surroundings(choices: Iterator[bool]) -> dict[str, Any]:  # noqa: C901 (seven small functions)
    """Return the builtins of a cell, some of which act by `choices`."""

    def choose() -> bool:
        return next(choices, False)

    def items(value: object) -> list[object]:
        return [value] * (choose() + choose())

    def pair(value: object) -> tuple[object, object]:
        return (value, value)

    def call(value: object) -> object:
        with suppress(Exception):
            return value() if callable(value) else list(value)  # type: ignore[call-overload]
        return None

    def fail() -> None:
        if choose():
            raise ValueError

    def decorate(value: Callable[..., object]) -> object:
        if choose():
            call(value)
        return value

    class Manager:
        def __enter__(self) -> int:
            fail()
            return 0

        def __exit__(self, *error: object) -> bool:
            return choose()

    return {
        **vars(builtins),
        "choose": choose,
        "items": items,
        "pair": pair,
        "call": call,
        "fail": fail,
        "decorate": decorate,
        "Manager": Manager,
    }


def namespace(before: dict[str, str], choices: list[bool]) -> dict[str, Any]:
    """Return a namespace in which `before` has been executed."""
    made: dict[str, Any] = {"__builtins__": surroundings(iter(choices))}
    for name, value in before.items():
        made[name] = eval(value, {})
    return made


# --- what may be written ------------------------------------------------------------


@dataclass
class Writer:
    """Writes random cells."""

    random: Random

    def pick(self, *options: Any) -> Any:
        return options[self.number(len(options) - 1)]

    def number(self, largest: int) -> int:
        return self.random.randint(0, largest)

    def coin(self) -> bool:
        return bool(self.number(1))

    def name(self) -> str:
        return self.pick(*NAMES)

    def cell(self) -> str:
        lines = []
        for _ in range(1 + self.number(5)):
            lines += self.statement(3, frozenset())
        return "\n".join(lines)

    def expression(self, depth: int = 2) -> str:  # noqa: C901, PLR0911, PLR0912 (a grammar is one long choice)
        if depth == 0:
            return self.pick(self.name(), self.name(), "0", "1", "choose()")

        def inner() -> str:
            return self.expression(depth - 1)

        match self.number(22):
            case 0:
                return f"[{inner()}, {inner()}]"
            case 1:
                return f"({inner()} if {inner()} else {inner()})"
            case 2:
                return f"({inner()} {self.pick('and', 'or')} {inner()})"
            case 3:
                return f"({self.name()} := {inner()})"
            case 4:
                condition = self.pick("", f" if {inner()}")
                return f"[{inner()} for {self.name()} in items({inner()}){condition}]"
            case 5:
                first, second = self.name(), self.name()
                return (
                    f"[{inner()} for {first} in items({inner()})"
                    f" for {second} in items({inner()})]"
                )
            case 6:
                return f"(lambda {self.name()}={inner()}: {inner()})"
            case 7:
                return f"(lambda: {inner()})"
            case 8:
                return f"call({inner()})"
            case 9:
                return f"{self.name()}()"
            case 10:
                return f"({inner()} for {self.name()} in items({inner()}))"
            case 11:
                return f"list({inner()} for {self.name()} in items({inner()}))"
            case 12:
                return f"f'{{{self.name()}}}'"
            case 13:
                return f"({inner()} is {inner()} is {inner()})"
            case 14:
                return f"({inner()} + {inner()})"
            case 15:
                return f"{{{inner()}: {inner()} for {self.name()} in items(0)}}"
            case 16:
                return f"[*items({inner()})]"
            case 17:
                return f"(0 < {inner()} < {inner()})"
            case _:
                return self.expression(0)

    def block(self, depth: int, place: frozenset[str]) -> list[str]:
        lines = []
        for _ in range(1 + self.number(2)):
            lines += self.statement(depth, place)
        return lines

    def inside(
        self, head: str, depth: int, place: frozenset[str], first: str = ""
    ) -> list[str]:
        body = ([first] if first else []) + self.block(depth - 1, place)
        return [head, *("    " + line for line in body)]

    def statement(self, depth: int, place: frozenset[str]) -> list[str]:  # noqa: C901, PLR0911, PLR0912 (as above)
        if depth == 0:
            return self.simple(place)
        name = self.name()
        match self.number(18):
            case 0:
                test = self.pick("choose()", self.expression(), "True", "0")
                lines = self.inside(f"if {test}:", depth, place)
                if self.coin():
                    lines += self.inside(f"elif {self.expression()}:", depth, place)
                if self.coin():
                    lines += self.inside("else:", depth, place)
                return lines
            case 1:
                looping = place | {"loop"}
                head = f"for {name} in items({self.expression()}):"
                lines = self.inside(head, depth, looping)
                if self.coin():
                    lines += self.inside("else:", depth, place)
                return lines
            case 2:
                looping = place | {"loop"}
                test = self.pick("choose()", f"choose() and {self.expression()}", "1")
                lines = self.inside(
                    f"while {test}:", depth, looping, "if not choose(): break"
                )
                if self.coin():
                    lines += self.inside("else:", depth, place)
                return lines
            case 3 | 4:
                return self.guarded(depth, place)
            case 5:
                return self.inside(
                    self.pick(f"with Manager() as {name}:", "with Manager():"),
                    depth,
                    place,
                )
            case 6 | 7 | 8:
                return self.function(depth, place)
            case 9:
                bases = self.pick("", f"(call({self.expression()}) or object)")
                return self.inside(f"class {name}{bases}:", depth, frozenset())
            case 10:
                return self.match(depth, place)
            case _:
                return self.simple(place)

    def guarded(self, depth: int, place: frozenset[str]) -> list[str]:
        lines = self.inside("try:", depth, place, self.pick("fail()", "pass"))
        handled = bool(self.number(2))
        if handled:
            named = self.pick("", f" as {self.name()}")
            kind = self.pick("Exception", "ValueError", "NameError")
            lines += self.inside(f"except {kind}{named}:", depth, place)
            if self.coin():
                lines += self.inside("else:", depth, place)
        if not handled or self.coin():
            lines += self.inside("finally:", depth, place)
        return lines

    def function(self, depth: int, place: frozenset[str]) -> list[str]:
        decorators = self.pick([], [], ["@decorate"], [f"@{self.name()}"])
        parameter = self.pick(
            "", f"{self.name()}={self.expression(1)}", f"*{self.name()}"
        )
        own = frozenset({"function"} | ({"nested"} if "function" in place else set()))
        declared = self.pick("", f"global {self.name()}")
        head = f"def {self.name()}({parameter}):"
        lines = [*decorators, *self.inside(head, depth, own, declared)]
        if self.coin():
            lines += self.simple(frozenset())
        return lines

    def match(self, depth: int, place: frozenset[str]) -> list[str]:
        lines = [f"match {self.expression()}:"]
        patterns = [f"[{self.name()}, *_]", "0", f"({self.name()} as {self.name()})"]
        for _ in range(1 + self.number(1)):
            head = f"case {self.pick(*patterns)} if {self.expression()}:"
            lines += ["    " + line for line in self.inside(head, depth, place)]
        if self.coin():
            head = f"case {self.pick('_', self.name())}:"
            lines += ["    " + line for line in self.inside(head, depth, place)]
        return lines

    def simple(self, place: frozenset[str]) -> list[str]:
        name = self.name()
        options = [
            f"{name} = {self.expression()}",
            f"{name} = {self.expression()}",
            f"{name}, {self.name()} = pair({self.expression()})",
            f"{name} += {self.expression(1)}",
            f"{name}: {self.expression(1)} = {self.expression(1)}",
            f"{name}: {self.expression(0)}",
            f"del {name}",
            f"{self.expression()}",
            f"call({name})",
            f"{name}()",
            "fail()",
            f"import math as {name}",
            f"assert choose() or {self.expression(1)}",
            "raise ValueError",
        ]
        if "loop" in place:
            options += ["break", "continue", "if choose(): break"]
        if "function" in place:
            options += [f"return {self.expression(1)}", f"yield {self.expression(1)}"]
        if "nested" in place:
            options += [f"nonlocal {name}"]
        return [self.pick(*options)]


def cell_of(seed: int) -> str:
    """Return a random cell.

    A draw for each word would let Hypothesis shrink a failure, at the price of running
    a hundred times fewer cells in the same time.
    """
    return Writer(Random(seed)).cell()


cells = st.integers(0, 2**32).map(cell_of)
values = st.sampled_from(["0", "1", "[1]", "lambda *_: 2", "ValueError"])
befores = st.dictionaries(st.sampled_from(NAMES), values, max_size=len(NAMES))
choices = st.lists(st.booleans(), max_size=40)


def compiled(source: str) -> types.CodeType | None:
    """Return the code of a cell, or None if the writer has written nonsense."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(SyntaxError):
            return compile(source, "<cell>", "exec")
    return None


thorough = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Random cells compare literals with ``is`` and drop generators half way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# --- the laws -----------------------------------------------------------------------


@thorough
@given(cells, befores, choices)
def test_every_name_read_before_it_is_written_is_an_input(source, before, choices):
    """A cell reads nothing from before it that the analysis has not listed."""
    code = compiled(source)
    if code is None:
        return
    cell = analyse(source)
    trace = Trace(namespace(before, choices))

    trace.run(code)

    assert trace.read_from_before - IMPLICIT <= cell.reads


@thorough
@given(cells, befores, choices)
def test_every_binding_and_deletion_is_foreseen(source, before, choices):
    """What a cell has bound or deleted when it succeeds is what the analysis says."""
    code = compiled(source)
    if code is None:
        return
    cell = analyse(source)
    trace = Trace(namespace(before, choices))

    error = trace.run(code)

    # NB. Python 3.13.0 does not tell of the instructions of every other run.
    if error is None and trace.steps:
        touched = {name for name in trace.killed if name in NAMES}
        bound = {name for name in touched if name in trace.namespace}
        assert bound <= cell.writes | cell.maybe_writes
        assert touched - bound <= cell.deletes
        assert cell.writes <= bound


@thorough
@given(cells, befores, choices)
def test_functions_need_what_was_deferred(source, before, choices):
    """The functions that a cell leaves behind read what it read itself or deferred."""
    code = compiled(source)
    if code is None:
        return
    cell = analyse(source)
    trace = Trace(namespace(before, choices))
    if trace.run(code) is not None:
        return
    left = [
        name
        for name in sorted(trace.killed & set(NAMES))
        if callable(trace.namespace.get(name))
    ]
    for name in left:
        trace.run(compile(f"call({name})", "<later>", "exec"))

    read = trace.read_from_before - IMPLICIT - {"call"} - set(left)
    assert read <= cell.reads | cell.deferred


@thorough
@given(cells, befores, choices)
def test_the_prelude_makes_the_same_definitions_again(source, before, choices):
    """Repeating the prelude before the old values gives equal functions and classes."""
    code = compiled(source)
    if code is None:
        return
    cell = analyse(source)
    first = Trace(namespace(before, choices))
    if first.run(code) is not None:
        return
    again = namespace(before, choices)
    tree = compile("", "<cell>", "exec", 0x400)
    tree.body = list(cell.prelude)

    exec(compile(tree, "<cell>", "exec"), again)

    for name in cell.prelude_names & first.namespace.keys() & first.killed:
        made, was = again[name], first.namespace[name]
        assert type(made) is type(was)
        if isinstance(made, types.FunctionType):
            assert made.__code__ == was.__code__
            assert repr(made.__defaults__) == repr(was.__defaults__) or any(
                isinstance(value, types.FunctionType) for value in was.__defaults__
            )
