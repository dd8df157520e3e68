"""The cell tasks of a notebook as a module: functions, and a flow that calls them."""

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nborch.exceptions import InvalidDeclaration
from nborch.notebook.analysis import CellAnalysis
from nborch.notebook.headers.header import Header
from nborch.notebook.reruns.functions import (
    Function,
    as_function,
    bound_by,
    identifier,
    imports_in,
)
from nborch.notebook.reruns.planning import ordered
from nborch.notebook.reruns.staleness import Status, Survey
from nborch.notebook.reruns.steps import CellRun, Outcome, PlainRun, Step

__all__ = ["export"]

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BUILTINS = frozenset(dir(builtins))


def export(survey: Survey, path: str, *, force: bool) -> list[str]:
    """Write the module; return what there is to say about it.

    Raises
    ------
    InvalidDeclaration
        Something cannot be said as a function, or the file is there already.
    """
    target = Path(path)
    if target.suffix != ".py":
        raise InvalidDeclaration(
            f"A module's file ends in .py, not {target.suffix!r}. "
            f"Write: %nborch export {target.with_suffix('.py')}"
        )
    if target.exists() and not force:
        raise InvalidDeclaration(
            f"The file {path!r} is there already. Replace it with: "
            f"%nborch export {path} --force"
        )
    module = _Module(survey, identifier(target.stem, ()))
    text = module.text()
    compile(text, path, "exec")
    target.write_text(text, encoding="utf-8")
    told = [f"{path}: {len(module.functions)} tasks in the flow {module.flow}()"]
    if module.required:
        told.append(f"It has to be given: {', '.join(module.required)}")
    return told


class _Module:
    """A module in the making."""

    def __init__(self, survey: Survey, flow: str) -> None:
        self._survey = survey
        self._history = survey.history
        self._imports: dict[str, str] = {}
        self._definitions: dict[str, ast.stmt] = {}
        self._constants: dict[str, str] = {}
        self._runs = self._exported()
        self._codes = {run.identity: self._code(run) for run in self._runs}
        self._collect()
        self.flow = flow
        #: The flow's parameters with their defaults as text; None for none.
        self.parameters: dict[str, str | None] = {}
        self.functions: list[Function] = []
        for run in self._runs:
            self.functions.append(self._function(run))

    @property
    def required(self) -> list[str]:
        """The parameters without a default."""
        return [name for name, default in self.parameters.items() if default is None]

    def text(self) -> str:
        """Return the module."""
        names = {
            node.id
            for text in (*(f.text for f in self.functions), *self._definition_texts())
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Name)
        }
        imports = sorted({t for n, t in self._imports.items() if n in names})
        is_async = any(function.is_async for function in self.functions)
        if is_async:
            imports = sorted({*imports, "import asyncio"})
        constants = [f"{name} = {value}" for name, value in self._constants.items()]
        blocks = [
            '"""The cell tasks of a notebook, as a flow."""',
            "\n".join(
                [*imports, *([""] if imports else []), "from nborch import flow, task"]
            ),
            *(["\n".join(constants)] if constants else []),
            *self._definition_texts(),
            *(function.text for function in self.functions),
            self._flow_text(is_async=is_async),
        ]
        if not self.required:
            call = f"{self.flow}()"
            call = f"asyncio.run({call})" if is_async else call
            blocks.append(f'if __name__ == "__main__":\n    {call}')
        return "\n\n\n".join(blocks) + "\n"

    def _flow_text(self, *, is_async: bool) -> str:
        required = self.required
        defaults = [f"{n}={d}" for n, d in self.parameters.items() if d is not None]
        lines = [function.call() for function in self.functions]
        read = {name for function in self.functions for name in function.takes}
        results = [n for f in self.functions for n in f.returns if n not in read]
        results = list(dict.fromkeys(results))
        if results:
            told = ", ".join(f"{name!r}: {name}" for name in results)
            lines.append(f"return {{{told}}}")
        head = f"{'async def' if is_async else 'def'} {self.flow}"
        inner = "\n".join(f"    {line}" for line in lines)
        return f"@flow\n{head}({', '.join([*required, *defaults])}):\n{inner}"

    # What is collected.

    def _exported(self) -> list[CellRun]:
        standings = self._survey.standings()
        runs = [s.run for s in standings if s.status is not Status.ORPHAN]
        if not runs:
            raise InvalidDeclaration("There is no cell task to export: run one first.")
        for run in runs:
            if run.outcome is Outcome.FAILED:
                raise _refused(run, "it failed, so nobody knows what it makes")
        return ordered(self._survey, runs)

    def _code(self, run: CellRun) -> tuple[CellAnalysis, Header, ast.Module]:
        """Return what is known of a cell; raise what no function can say."""
        cell = self._survey.cell(run)
        if cell is None:
            raise _refused(run, "its text cannot be read")
        analysis = cell.analysis
        try:
            tree = ast.parse(run.body)
        except SyntaxError:
            raise _refused(run, "it has magics or shell commands") from None
        if any(isinstance(node, ast.Global) for node in ast.walk(tree)):
            raise _refused(run, "it declares a name as global")
        for module in analysis.star_imports:
            raise _refused(run, f"it imports * from {module}")
        for name in sorted(analysis.history):
            raise _refused(run, f"it reads {name!r}, which only a notebook has")
        if "get_ipython" in analysis.reads:
            raise _refused(run, "it asks the notebook's shell")
        for reason in analysis.dynamic:
            raise _refused(run, reason)
        return analysis, cell.source.asks, tree

    def _collect(self) -> None:
        """Take the imports of all cells, and what plain cells define."""
        for step in self._history.plain_after(0):
            try:
                tree = ast.parse(step.transformed(step.text))
            except SyntaxError:
                continue
            self._take_imports(tree)
            for node in tree.body:
                if isinstance(node, _DEFINITIONS):
                    self._definitions[node.name] = node
        for _, _, tree in self._codes.values():
            self._take_imports(tree)

    def _take_imports(self, tree: ast.Module) -> None:
        for node in imports_in(tree):
            self._imports |= dict(bound_by(node))

    def _definition_texts(self) -> list[str]:
        """Return the functions and classes of plain cells that are needed."""
        needed: dict[str, None] = {}
        waiting = [
            name for function in self.functions for name in _names(function.text)
        ]
        while waiting:
            name = waiting.pop()
            if name in self._definitions and name not in needed:
                needed[name] = None
                waiting += _names(ast.unparse(self._definitions[name]))
        return [
            ast.unparse(node)
            for name, node in self._definitions.items()
            if name in needed
        ]

    # A task.

    def _function(self, run: CellRun) -> Function:
        analysis, asks, _ = self._codes[run.identity]
        read = sorted(analysis.reads | analysis.deferred)
        takes = [name for name in read if self._is_given(run, name, analysis)]
        returns = [name for name in sorted(run.made) if self._is_wanted(run, name)]
        data = {name for other in self._runs for name in other.made}
        taken = {*data, *self._definitions, *self._imports, *self.parameters, self.flow}
        taken |= {*takes, *(function.name for function in self.functions)}
        name = identifier(asks.name, {*taken, "flow", "task"})
        return as_function(name, asks, run.body, takes, returns)

    def _is_given(self, run: CellRun, name: str, analysis: CellAnalysis) -> bool:
        """Tell whether a name is an argument; make it known where it comes from."""
        if name in self._imports or name in _BUILTINS - self._survey.namespace.keys():
            return False
        source = self._source(run, name)
        if isinstance(source, CellRun):
            self._check_untouched(run, name, source)
            return True
        if name in self._definitions:
            self._check_definition(run, name)
            return False
        if source is None and name not in self._survey.namespace:
            return False
        if name in _BUILTINS and name in analysis.deferred:
            return False
        if name not in self.parameters:
            self.parameters[name] = self._default(run, name, source)
        return True

    def _source(self, run: CellRun, name: str) -> Step | None:
        """Return the step of another cell that made what a run has read."""
        source = self._history.writer(name, run.number)
        while isinstance(source, CellRun) and source.identity == run.identity:
            source = self._history.writer(name, source.number)
        return source

    def _check_untouched(self, run: CellRun, name: str, source: CellRun) -> None:
        """Raise if a plain cell has changed what one task made for another."""
        read = run.ingredients.name(name) if run.ingredients else None
        made = source.made.get(name)
        if read and made and read != made:
            raise _refused(
                run,
                f"a plain cell changes {name!r} after {source.task!r} has made it. "
                "Put that cell under %%task",
            )

    def _check_definition(self, run: CellRun, name: str) -> None:
        """Take the constants that a function of a plain cell reads."""
        made = {each for other in self._runs for each in other.made}
        waiting, seen = [name], set()
        while waiting:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            for read in _names(ast.unparse(self._definitions[each])):
                if read in self._definitions:
                    waiting.append(read)
                elif read in self._imports or read not in self._survey.namespace:
                    continue
                elif read in made:
                    raise _refused(
                        run,
                        f"the function {each!r} reads {read!r}, which a task makes. "
                        "Give it as an argument",
                    )
                else:
                    default = _literal(self._survey.namespace[read])
                    if default is None:
                        raise _refused(
                            run, f"the function {each!r} reads {read!r}, no constant"
                        )
                    self._constants[read] = default

    def _default(self, run: CellRun, name: str, source: Step | None) -> str | None:
        """Return the default of a parameter that a plain cell defines."""
        if isinstance(source, PlainRun):
            for read in sorted(source.reads):
                maker = self._history.writer(read, source.number)
                if isinstance(maker, CellRun) and name not in source.reads - {read}:
                    raise _refused(
                        run,
                        f"a plain cell makes {name!r} out of {read!r} of task "
                        f"{maker.task!r}. Put that cell under %%task",
                    )
            written = _assigned(source, name)
            if written is not None:
                return written
        if any(isinstance(s, CellRun) for s in self._history.writers(name)):
            return None
        return _literal(self._survey.namespace.get(name, _Nothing))

    def _is_wanted(self, run: CellRun, name: str) -> bool:
        """Tell whether a name that a task makes is to be returned."""
        if name in self._imports or name not in {*run.made} - run.gone:
            return False
        readers = [
            other
            for other in self._runs
            if name in other.reads and self._source(other, name) is run
        ]
        later = self._runs[self._runs.index(run) + 1 :]
        later = [other for other in later if name in other.made]
        return bool(readers) or not later


class _Nothing:
    """Stands for no value."""


def _refused(run: CellRun, reason: str) -> InvalidDeclaration:
    return InvalidDeclaration(
        f"Task {run.task!r} cannot be exported: {reason}. Nothing was written."
    )


def _names(code: str) -> Iterator[str]:
    """Yield the names that occur in code."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            yield node.id


def _assigned(source: PlainRun, name: str) -> str | None:
    """Return the constant that a plain cell binds a name to, as it wrote it."""
    found = None
    try:
        tree = ast.parse(source.transformed(source.text))
    except SyntaxError:
        return None
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(t, ast.Name) and t.id == name for t in targets):
            try:
                ast.literal_eval(node.value)
            except ValueError:
                return None
            found = ast.unparse(node.value)
    return found


def _literal(value: Any) -> str | None:
    """Return a value as Python writes it, if reading that gives the same."""
    text = repr(value) if isinstance(value, _PLAIN) else ""
    try:
        same = ast.literal_eval(text) == value
    except (ValueError, SyntaxError):
        return None
    return text if same else None


_PLAIN = (bool, int, float, str, bytes, list, tuple, dict, set, type(None))
