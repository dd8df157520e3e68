"""The body of a cell task: analysed, compiled as IPython would, found by tracebacks."""

import ast
from dataclasses import dataclass
from types import CodeType
from typing import Any

from nborch.notebook.analysis import CellAnalysis, analyse

__all__ = ["CellBody", "Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a cell task.

    Parameters
    ----------
    header
        The first line, with ``%%task``.
    body
        The lines below it, as the user wrote them.
    """

    name: str
    header: str
    body: str


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

    def compiled(self) -> list[CodeType]:
        """Return the body in pieces to execute; an expression at the end is shown."""
        tree = self._shell.transform_ast(self._parsed())
        mode = self._shell.ast_node_interactivity
        quiet = self._shell.displayhook.semicolon_at_end_of_expression(self.code)
        shown = _shown_nodes(tree.body, mode) if not quiet else set()
        name = self._file_name()
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if self.analysis.is_async else 0
        compiler = self._shell.compile
        codes = []
        with compiler.extra_flags(flags):
            for node in _grouped(tree.body, shown):
                kind = "single" if isinstance(node, ast.Interactive) else "exec"
                codes.append(compiler(node, name, kind))
        return codes

    def execute_prelude(self) -> None:
        """Run the imports and definitions of the cell, as they are found in it.

        They come before stored values: an instance needs its class to be loaded.
        """
        if self.analysis.prelude:
            tree = ast.Module(list(self.analysis.prelude), type_ignores=[])
            code = compile(tree, self._file_name(), "exec")
            exec(code, self._shell.user_ns)  # noqa: S102  # the user's own definitions

    def _parsed(self) -> ast.Module:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile("\n" + self.code, self._file_name(), "exec", flags)
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
    """Return the statements whose value is displayed in IPython's given mode."""
    expressions = [node for node in body if isinstance(node, ast.Expr)]
    if mode == "all":
        return set(expressions)
    if mode == "none" or not body:
        return set()
    if mode == "last_expr_or_assign" and isinstance(body[-1], ast.Assign):
        target = body[-1].targets[0]
        if isinstance(target, ast.Name):
            shown = ast.Expr(ast.Name(target.id, ast.Load()))
            body.append(ast.fix_missing_locations(ast.copy_location(shown, body[-1])))
    return {body[-1]} & {n for n in body if isinstance(n, ast.Expr)}


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
