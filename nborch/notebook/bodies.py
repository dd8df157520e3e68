"""The body of a cell task: analysed, compiled as IPython would, found by tracebacks."""

import __future__

import ast
from collections.abc import Awaitable
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from nborch.notebook.analysis import CellAnalysis, analyse
from nborch.notebook.headers.header import Header

__all__ = ["FEATURES", "CellBody", "Source"]

#: The flag of each feature that a cell may import for all later ones.
FEATURES = {
    name: getattr(__future__, name).compiler_flag
    for name in __future__.all_feature_names
    if name != "nested_scopes"  # has been in use for ever
}


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a cell task.

    Parameters
    ----------
    header
        The first line, with ``%%task``.
    body
        The lines below it, as the user wrote them.
    asks
        What the first line asks for.
    """

    name: str
    header: str
    body: str
    asks: Header = field(default_factory=Header)


class CellBody:
    """The code of a cell task.

    Lines count as in the editor, where the header stands above the body.

    Attributes
    ----------
    code
        The body as Python, its magics turned into calls.
    """

    def __init__(self, shell: Any, source: Source) -> None:
        self._shell = shell
        self._source = source
        self.code: str = shell.transform_cell(source.body)
        self.analysis: CellAnalysis = analyse("\n" + self.code)

    @property
    def features(self) -> tuple[str, ...]:
        """The names from ``__future__`` by which cells are compiled, as of now."""
        flags = self._shell.compile.flags
        return tuple(n for n, flag in FEATURES.items() if flag & flags)

    @property
    def file(self) -> str:
        """The name under which tracebacks and inspect find the cell's text."""
        return self._file_name()

    def compiled(self) -> list[CodeType]:
        """Return the body in pieces to execute; an expression at the end is shown."""
        name = self._file_name()
        tree = self._shell.transform_ast(self._parsed(name))
        mode = self._shell.ast_node_interactivity
        quiet = self._shell.displayhook.semicolon_at_end_of_expression(self.code)
        shown = _shown_nodes(tree.body, mode) if not quiet else set()
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if self.analysis.is_async else 0
        compiler = self._shell.compile
        codes = []
        with compiler.extra_flags(flags):
            for node in _grouped(tree.body, shown):
                kind = "single" if isinstance(node, ast.Interactive) else "exec"
                codes.append(compiler(node, name, kind))
        return codes

    def execute(self) -> None:
        """Run the body in the user's namespace."""
        for code in self.compiled():
            exec(code, self._shell.user_ns)  # noqa: S102  # the user's own cell

    async def execute_async(self) -> None:
        """Run a body that awaits in the user's namespace."""
        for code in self.compiled():
            value = eval(code, self._shell.user_ns)  # noqa: S307  # the user's own cell
            if isinstance(value, Awaitable):
                await value

    def execute_prelude(self) -> None:
        """Run the imports and definitions of the cell, as they are found in it.

        They come before stored values: an instance needs its class to be loaded.
        """
        if self.analysis.prelude:
            tree = ast.Module(list(self.analysis.prelude), type_ignores=[])
            # NB. The shell's compiler: what comes from __future__ is for all cells.
            code = self._shell.compile(tree, self._file_name(), "exec")
            exec(code, self._shell.user_ns)  # noqa: S102  # the user's own definitions

    def _parsed(self, name: str) -> ast.Module:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile("\n" + self.code, name, "exec", flags)
        assert isinstance(tree, ast.Module)  # noqa: S101  # for the type checker
        return tree

    def _file_name(self) -> str:
        """Return the name under which tracebacks and inspect find the cell's text."""
        text = f"# {self._source.header}\n{self.code}"
        raw = f"{self._source.header}\n{self._source.body}"
        shell = self._shell
        # NB. Not shell.execution_count: IPython 9 counts on before the cell runs.
        number = shell.displayhook.prompt_count
        return shell.compile.cache(text, number, raw)  # type: ignore[no-any-return]


def _shown_nodes(body: list[ast.stmt], mode: str) -> set[ast.stmt]:
    """Return the statements that display values in IPython's given mode.

    A loop among them displays each expression in it, as at Python's own prompt.
    """
    if mode == "none" or not body:
        return set()
    if mode == "all":
        return set(body)
    if mode == "last_expr_or_assign" and (name := _assigned_name(body[-1])):
        shown = ast.Expr(ast.Name(name, ast.Load()))
        body.append(ast.fix_missing_locations(ast.copy_location(shown, body[-1])))
    last = body[-1]
    return {last} if mode == "last" or isinstance(last, ast.Expr) else set()


def _assigned_name(node: ast.stmt) -> str | None:
    """Return the one name that an assignment binds."""
    target: ast.expr | None = None
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        target = node.target
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    return target.id if isinstance(target, ast.Name) else None


def _grouped(
    body: list[ast.stmt], shown: set[ast.stmt]
) -> list[ast.Module | ast.Interactive]:
    """Return the statements in as few pieces as displaying some of them allows."""
    groups: list[ast.Module | ast.Interactive] = []
    for node in body:
        if node in shown:
            groups.append(ast.Interactive([node]))
        elif groups and isinstance(groups[-1], ast.Module):
            groups[-1].body.append(node)
        else:
            groups.append(ast.Module([node], type_ignores=[]))
    return groups
