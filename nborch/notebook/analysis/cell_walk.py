"""The walk through a whole cell, with the magics and shell commands in it."""

import ast
import re
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from nborch.notebook.analysis.liveness import NoteKind
from nborch.notebook.analysis.scopes import ScopeKind
from nborch.notebook.analysis.shell_calls import (
    Magic,
    bound_by_magic,
    expanded_names,
    magic_kind,
    shell_method,
)
from nborch.notebook.analysis.statements import StatementWalk

__all__ = ["CellWalk", "Step", "parse"]

_OPTIONS = re.compile(r"\s*(?:-{1,2}[A-Za-z][\w-]*(?:[ =]?\d+)?\s+)*")


def parse(source: str) -> ast.Module:
    """Return the syntax tree of a cell, which may ``await`` at its top.

    >>> len(parse("x = await f()").body)
    1
    """
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(source, "<cell>", "exec", flags, dont_inherit=True)  # type: ignore[no-any-return]  # ONLY_AST gives a tree


@dataclass(frozen=True, slots=True)
class Step:
    """One statement at the top of the cell and what the walk found there.

    Parameters
    ----------
    touched
        The globals that it may bind or delete, functions it may call included.
    callable_before
        The globals that the functions of this cell read which exist at this point.
    calls
        How many calls the walk had seen when the statement was over.
    """

    statement: ast.stmt
    touched: frozenset[str]
    callable_before: frozenset[str]
    calls: int


class _ShellCall(NamedTuple):
    """A call of ``get_ipython().method("...", "...")``."""

    node: ast.Call
    method: str
    texts: list[str]


class CellWalk(StatementWalk):
    """A walk that also knows what IPython makes of ``%magic`` and ``!command``."""

    def __init__(self, *, text_annotations: bool = False) -> None:
        super().__init__(text_annotations=text_annotations)
        self._top: ast.stmt = ast.Pass()
        self._trees: dict[tuple[int, str], ast.Module | None] = {}

    def cell(self, tree: ast.Module) -> list[Step]:
        """Walk the cell and return its top-level statements as far as reached."""
        steps = []
        frame = self.frame
        readable: set[str] = set()
        seen = 0
        for statement in tree.body:
            if not self.flow.reachable:
                break
            frame.touched = set()
            before = frozenset(readable)
            self._top = statement
            self.visit(statement)
            for body in frame.bodies[seen:]:
                readable |= body.reads
            seen = len(frame.bodies)
            steps.append(Step(statement, frozenset(frame.touched), before, frame.calls))
        return steps

    def shell_or_call(self, node: ast.Call) -> None:
        """Walk a call, which may be what a magic has become."""
        method = shell_method(node.func)
        if method is None:
            self.call(node)
            return
        self.visit_all(node.args)
        self.visit_all(node.keywords)
        texts = [
            argument.value
            for argument in node.args
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        ]
        call = _ShellCall(node, method, texts)
        if method in {"system", "getoutput"} and texts:
            self._expand(texts[0])
            self.note(node, "runs a shell command", NoteKind.EFFECT)
        elif method == "run_line_magic" and len(texts) == len(node.args) == 2:  # noqa: PLR2004 (name and line)
            self._expand(texts[1])
            self._magic(call, texts[0], texts[1], texts[1])
        elif method == "run_cell_magic" and len(texts) == len(node.args) == 3:  # noqa: PLR2004 (name, line and body)
            self._expand(texts[1])
            self._magic(call, f"%{texts[0]}", texts[1], texts[2])
        else:
            self.note(node, f"uses get_ipython().{method}", NoteKind.DYNAMIC)
        self.may_call()

    def _expand(self, text: str) -> None:
        for name in expanded_names(text):
            self.read(name)

    def _magic(self, call: _ShellCall, shown: str, line: str, body: str) -> None:
        """Walk the magic ``%shown line``; `body` is the text that it works on."""
        name = shown.removeprefix("%")
        node = call.node
        kind = magic_kind(name)
        if kind in {Magic.CODE, Magic.TIMED}:
            timed = kind is Magic.TIMED
            if timed and shown != name:
                self._code(node, shown, line, timed=True)
            self._code(node, shown, body, timed=timed)
        elif kind is Magic.DISPLAY:
            for word in re.findall(r"[^\W\d]\w*", line):
                self.read(word)
        elif kind is Magic.SETTING and self._is_statement(node):
            self.note(node, f"runs %{shown}", NoteKind.SETTING)
        elif kind is Magic.UNKNOWN:
            self.note(node, f"runs %{shown}, which may use any name", NoteKind.DYNAMIC)
        else:
            self.note(node, f"runs %{shown}", NoteKind.EFFECT)
        if shown != name:
            for bound in bound_by_magic(name, line):
                self.bind(bound)

    def _is_statement(self, node: ast.Call) -> bool:
        return isinstance(self._top, ast.Expr) and self._top.value is node

    def _code(self, node: ast.Call, shown: str, text: str, *, timed: bool) -> None:
        """Walk the code that a magic runs, in the cell or in a function of its own."""
        line_magic = not shown.startswith("%")
        code = _OPTIONS.sub("", text, count=1) if line_magic or timed else text
        tree = self._tree(node, code.strip() if line_magic else code)
        if tree is None:
            self.note(
                node, f"runs %{shown} on text that is no Python", NoteKind.DYNAMIC
            )
        elif timed:
            scope = self.scope(ScopeKind.FUNCTION, tree.body)
            self.define(self.body(tree, scope, partial(self.block, tree.body)))
            self.may_call()
        else:
            self.block(tree.body)

    def _tree(self, node: ast.Call, code: str) -> ast.Module | None:
        """Return the tree of a magic's code, with the line numbers of the magic.

        NB. The same tree each time: a function is known by the identity of its node,
        and a loop is walked until no new function turns up.
        """
        if (id(node), code) not in self._trees:
            try:
                tree = parse(code)
            except (SyntaxError, ValueError):
                self._trees[id(node), code] = None
            else:
                for inner in ast.walk(tree):
                    if hasattr(inner, "lineno"):
                        inner.lineno = node.lineno
                self._trees[id(node), code] = tree
        return self._trees[id(node), code]


CellWalk.handlers = {**StatementWalk.handlers, ast.Call: CellWalk.shell_or_call}
