"""A cell task as the text of a function under ``@task``."""

import ast
import keyword
import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from nborch.notebook.headers.header import Header

__all__ = ["Function", "as_function", "bound_by", "identifier", "imports_in"]

Import = ast.Import | ast.ImportFrom


@dataclass(frozen=True, slots=True)
class Function:
    """A function that does what a cell does.

    Parameters
    ----------
    task
        The name of the cell task.
    takes, returns
        The names of its arguments, and of what it returns.
    """

    name: str
    task: str
    takes: tuple[str, ...]
    returns: tuple[str, ...]
    is_async: bool
    text: str

    def call(self) -> str:
        """Return the statement by which a flow calls it."""
        await_ = "await " if self.is_async else ""
        call = f"{await_}{self.name}({', '.join(self.takes)})"
        return f"{', '.join(self.returns)} = {call}" if self.returns else call


def identifier(name: str, taken: Collection[str]) -> str:
    """Return a name for a function that nothing else has.

    >>> identifier("clean-2", {"clean_2"})
    'clean_2_task'
    """
    word = re.sub(r"\W", "_", name)
    if not word or word[0].isdigit() or keyword.iskeyword(word):
        word = f"task_{word}"
    while word in taken:
        word += "_task"
    return word


def imports_in(tree: ast.Module) -> Iterator[Import]:
    """Yield the imports at the top of a cell's code."""
    for node in tree.body:
        if isinstance(node, Import):
            yield node


def bound_by(node: Import) -> Iterator[tuple[str, str]]:
    """Yield the names that an import binds, each with the import of it alone."""
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        if isinstance(node, ast.Import):
            yield name, ast.unparse(ast.Import([alias]))
        else:
            yield name, ast.unparse(ast.ImportFrom(node.module, [alias], node.level))


def as_function(
    name: str, asks: Header, body: str, takes: Sequence[str], returns: Sequence[str]
) -> Function:
    """Return the function that a cell's body becomes; its imports are left out.

    Parameters
    ----------
    body
        The text of the cell, without magics.
    """
    tree = ast.parse(body)
    is_async = _awaits(body)
    lines = _inner(body, tree)
    if returns:
        lines.append(f"return {', '.join(returns)}")
    if not lines:
        lines = ["pass"]
    inner = textwrap.indent("\n".join(lines), "    ")
    keyword_ = "async def" if is_async else "def"
    head = f"@task{_options(name, asks)}\n{keyword_} {name}({', '.join(takes)}):"
    return Function(
        name, asks.name, tuple(takes), tuple(returns), is_async, f"{head}\n{inner}"
    )


def _awaits(body: str) -> bool:
    import inspect

    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(body, "<cell>", "exec", flags, dont_inherit=True)
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _inner(body: str, tree: ast.Module) -> list[str]:
    """Return the lines of a body without its imports."""
    rest = [node for node in tree.body if not isinstance(node, Import)]
    if _is_indentable(tree):
        alone = _lines_of(tree.body) - _lines_of(rest)
        lines = body.splitlines()
        kept = [line for n, line in enumerate(lines, 1) if n not in alone]
        text = "\n".join(kept).strip("\n")
        shared = any(
            isinstance(node, Import) and node.lineno in _lines_of(rest)
            for node in tree.body
        )
        if not shared:
            return text.splitlines() if rest or "#" in text else []
    return ast.unparse(ast.Module(rest, type_ignores=[])).splitlines()


def _lines_of(nodes: Collection[ast.stmt]) -> set[int]:
    return {
        line
        for node in nodes
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def _is_indentable(tree: ast.Module) -> bool:
    """Tell whether no string goes over lines, which must not be moved to the right."""
    return not any(
        isinstance(node, ast.Constant | ast.JoinedStr)
        and (node.end_lineno or node.lineno) > node.lineno
        for node in ast.walk(tree)
    )


def _options(function: str, asks: Header) -> str:
    """Return what the header said that a function's task can say, too."""
    told = []
    if asks.name not in (function, Header().name):
        told.append(f"name={asks.name!r}")
    if asks.retries:
        told.append(f"retries={asks.retries}")
        if any(asks.retry_delays):
            told.append(f"retry_delay_seconds={list(asks.retry_delays)}")
    if asks.timeout is not None:
        told.append(f"timeout_seconds={asks.timeout}")
    if asks.tags:
        told.append(f"tags={sorted(asks.tags)!r}")
    if asks.log_prints:
        told.append("log_prints=True")
    return f"({', '.join(told)})" if told else ""
