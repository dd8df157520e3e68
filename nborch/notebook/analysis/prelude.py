"""Which statements of a cell to repeat when its values come from the cache.

Modules, functions and classes do not come from a cache: their source would be lost and
``isinstance`` would fail. The statements that make them are executed again, before the
values are bound. This is right only if they evaluate the same things as the first time,
so their decorators, defaults and bases have to be plain, and have to be there already.
"""

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from nborch.notebook.analysis.cell_walk import Step
from nborch.notebook.analysis.idioms import DECLARING
from nborch.notebook.analysis.scopes import bound_names
from nborch.notebook.analysis.shell_calls import Magic, magic_kind, shell_method

__all__ = ["Prelude", "plan"]

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


#: What is plain if its parts are. Names, items and operators are looked at closer.
_PLAIN = (ast.Constant, ast.UnaryOp, ast.Compare, ast.Tuple)


@dataclass(frozen=True, slots=True)
class Prelude:
    """The statements to repeat, the names they bind for good, and what is left out."""

    statements: tuple[ast.stmt, ...] = ()
    names: frozenset[str] = frozenset()
    unrestorable: tuple[str, ...] = ()


@dataclass(slots=True)
class _Evaluation:
    """What executing a statement again would evaluate.

    Parameters
    ----------
    names
        The names that are looked up.
    parts
        Those of them of which an attribute or item is looked up, too.
    calls
        Whether anything is called.
    fresh
        Whether it makes lists or dicts, which may be changed afterwards.
    declares
        Whether it imports or defines anything.
    """

    lazy: bool
    names: set[str] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)
    calls: bool = False
    fresh: bool = False
    declares: bool = False

    def statement(self, node: ast.stmt, *, inside: bool = False) -> bool:
        """Note what `node` evaluates; return whether it may be executed again."""
        plain = False
        match node:
            case ast.Import() | ast.ImportFrom():
                plain = self.declares = True
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                plain = inside
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                plain = self._function(node)
            case ast.ClassDef():
                plain = self._class(node)
            case ast.If(test=test, body=body, orelse=orelse):
                plain = self.expression(test) and self._all([*body, *orelse])
            case ast.Try():
                plain = self._try(node)
            case ast.Assign(targets=[ast.Name()], value=value):
                plain = self._assigned(value, inside=inside)
            case ast.AnnAssign(target=ast.Name(), value=value, annotation=annotation):
                plain = self._annotation(annotation) and (
                    value is None or self._assigned(value, inside=inside)
                )
            case _ if type(node).__name__ == "TypeAlias":
                # Only 3.12 and later have the class; its value is not evaluated here.
                plain = self.declares = True
        return plain

    def _all(self, nodes: list[ast.stmt]) -> bool:
        return all(self.statement(node, inside=True) for node in nodes)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        self.declares = True
        arguments = node.args
        annotations = [
            argument.annotation
            for argument in ast.walk(arguments)
            if isinstance(argument, ast.arg)
        ]
        return (
            all(self._decorator(decorator) for decorator in node.decorator_list)
            and all(
                default is None or self.expression(default)
                for default in [*arguments.defaults, *arguments.kw_defaults]
            )
            and all(self._annotation(each) for each in [*annotations, node.returns])
        )

    def _class(self, node: ast.ClassDef) -> bool:
        self.declares = True
        # Creating a class calls its bases.
        self.calls = self.calls or bool(node.bases or node.keywords)
        return (
            all(self._decorator(decorator) for decorator in node.decorator_list)
            and all(self.expression(base) for base in node.bases)
            and all(self.expression(keyword.value) for keyword in node.keywords)
            and self._all(node.body)
        )

    def _try(self, node: ast.Try) -> bool:
        return (
            self._all(node.body)
            and self._all(node.orelse)
            and self._all(node.finalbody)
            and all(
                (handler.type is None or self.expression(handler.type))
                and self._all(handler.body)
                for handler in node.handlers
            )
        )

    def _decorator(self, node: ast.expr) -> bool:
        self.calls = True
        if isinstance(node, ast.Call):
            return self._call(node)
        return self.expression(node)

    def _annotation(self, node: ast.expr | None) -> bool:
        return node is None or self.lazy or self.expression(node)

    def _assigned(self, value: ast.expr, *, inside: bool) -> bool:
        """Assess an assignment: to a class attribute, or of a lambda or a type."""
        if isinstance(value, ast.Lambda):
            self.declares = True
            return self._lambda(value)
        if isinstance(value, ast.Call):
            self.declares = True
            return _last_name(value.func) in DECLARING and self._call(value)
        return inside and self.expression(value)

    def _lambda(self, node: ast.Lambda) -> bool:
        defaults = [*node.args.defaults, *node.args.kw_defaults]
        return all(each is None or self.expression(each) for each in defaults)

    def _call(self, node: ast.Call) -> bool:
        self.calls = True
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        return self.expression(node.func) and all(map(self.expression, values))

    def expression(self, node: ast.expr) -> bool:
        """Note what `node` looks up; return whether it is plain."""
        if isinstance(node, ast.Lambda):
            return self._lambda(node)
        if isinstance(node, ast.Name):
            self.names.add(node.id)
        elif isinstance(node, ast.Attribute | ast.Subscript):
            self._reach_into(node)
        elif isinstance(node, ast.List | ast.Set | ast.Dict):
            self.fresh = True
        elif isinstance(node, ast.BinOp):
            constants = isinstance(node.left, ast.Constant) and isinstance(
                node.right, ast.Constant
            )
            if not constants and not isinstance(node.op, ast.BitOr):
                return False
        elif not isinstance(node, _PLAIN):
            return False
        return all(
            self.expression(part)
            for part in ast.iter_child_nodes(node)
            if isinstance(part, ast.expr)
        )

    def _reach_into(self, node: ast.expr) -> None:
        while isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        if isinstance(node, ast.Name):
            self.parts.add(node.id)


class _Plan:
    """The choice of statements, one after the other."""

    def __init__(self, mutates: Collection[str], calls: int, *, lazy: bool) -> None:
        self.mutates = mutates
        self.calls = calls
        self.lazy = lazy
        self.chosen: list[ast.stmt] = []
        self.names: set[str] = set()
        self.others: set[str] = set()
        self.constants: dict[str, ast.stmt] = {}
        self.left_out: dict[str, None] = {}

    def consider(self, step: Step) -> None:
        node = step.statement
        if _is_setting(node):
            self.chosen.append(node)
            self._touched(step.touched)
            return
        evaluation = _Evaluation(self.lazy)
        plain = evaluation.statement(node)
        if plain and evaluation.declares and self._same_again(step, evaluation):
            needed = evaluation.names | (
                step.callable_before if evaluation.calls else frozenset()
            )
            for name in sorted(needed & self.constants.keys()):
                if self.constants[name] not in self.chosen:
                    self.chosen.append(self.constants[name])
            self.chosen.append(node)
            self._touched(step.touched)
            self._made_again(bound_names([node])[0])
            return
        self._touched(step.touched)
        for name in bound_names([node])[0]:
            self.left_out.pop(name, None)
        self.left_out.update(dict.fromkeys(_defined_by(node)))
        constant = _constant_name(node)
        if constant is not None:
            self.constants[constant] = node

    def _touched(self, names: Collection[str]) -> None:
        """Note that these names may be bound here, if only by functions called."""
        self.names.difference_update(names)
        self.others.update(names)
        for name in names:
            self.constants.pop(name, None)

    def _made_again(self, names: Collection[str]) -> None:
        """Note that these names are bound by a statement of the prelude."""
        self.names.update(names)
        self.others.difference_update(names)
        for name in names:
            self.left_out.pop(name, None)

    def _same_again(self, step: Step, evaluation: _Evaluation) -> bool:
        """Return whether repeating the statement gives what it gave."""
        if evaluation.parts & set(self.mutates) - self.names:
            return False
        if evaluation.fresh and self.calls > step.calls:
            return False
        is_import = not list(_defined_by(step.statement))
        if not is_import and step.touched & set(self.mutates):
            # ``f.calls = 0`` would be lost.
            return False
        needed = set(evaluation.names)
        if evaluation.calls:
            needed |= step.callable_before
        return not needed & self.others - self.constants.keys()


def plan(
    steps: Collection[Step], mutates: Collection[str], calls: int, *, lazy: bool
) -> Prelude:
    """Return what to repeat of a cell that was walked in `steps`.

    Parameters
    ----------
    mutates
        The names whose object the cell changes in place.
    calls
        How many calls the walk has seen in all.
    lazy
        Whether annotations are not evaluated.
    """
    choice = _Plan(mutates, calls, lazy=lazy)
    for step in steps:
        choice.consider(step)
    return Prelude(
        tuple(choice.chosen), frozenset(choice.names), tuple(sorted(choice.left_out))
    )


def _is_setting(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(
            value=ast.Call(func=called, args=[ast.Constant(value=str(name)), *_])
        ):
            return (
                shell_method(called) == "run_line_magic"
                and magic_kind(name) is Magic.SETTING
            )
    return False


def _constant_name(node: ast.stmt) -> str | None:
    """Return the name that is bound to an immutable constant, if that is all."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name if _is_constant(value) else None
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant()):
            return name
    return None


def _is_constant(node: ast.expr) -> bool:
    match node:
        case ast.Constant() | ast.UnaryOp(operand=ast.Constant()):
            return True
        case ast.Tuple(elts=elements):
            return all(map(_is_constant, elements))
    return False


def _defined_by(node: ast.AST) -> Iterator[str]:
    """Yield the names that functions and classes in a statement are bound to."""
    if isinstance(node, _DEFINITIONS):
        yield node.name
        return
    match node:
        case ast.Assign(targets=targets, value=ast.Lambda()):
            yield from (t.id for t in targets if isinstance(t, ast.Name))
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=called)) if (
            _last_name(called) in DECLARING
        ):
            yield name
        case ast.stmt() | ast.ExceptHandler() | ast.match_case():
            for child in ast.iter_child_nodes(node):
                yield from _defined_by(child)


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
