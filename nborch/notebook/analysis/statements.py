"""The walk through statements: branches, loops, exceptions and definitions."""

import ast
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from nborch.notebook.analysis.expressions import ExpressionWalk, parameters, truth
from nborch.notebook.analysis.idioms import PASSING
from nborch.notebook.analysis.liveness import Flow, NoteKind, join
from nborch.notebook.analysis.scopes import Scope, ScopeKind
from nborch.notebook.analysis.walk import Jumps

__all__ = ["StatementWalk", "future_annotations"]

#: From 3.14 on annotations are evaluated when somebody asks for them.
_LAZY_ANNOTATIONS = sys.version_info >= (3, 14)


def future_annotations(body: list[ast.stmt]) -> bool:
    """Return whether the cell begins with ``from __future__ import annotations``."""
    return any(
        isinstance(statement, ast.ImportFrom)
        and statement.module == "__future__"
        and any(alias.name == "annotations" for alias in statement.names)
        for statement in body
    )


class StatementWalk(ExpressionWalk):
    """A walk that knows the whole grammar."""

    def __init__(self, *, text_annotations: bool = False) -> None:
        super().__init__()
        self.text_annotations = text_annotations

    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Walk statements as far as they can be reached."""
        for statement in statements:
            if not self.flow.reachable:
                return
            self.visit(statement)

    def either(self, ways: Iterable[Callable[[], None]]) -> None:
        """Walk several ways from here of which one is taken."""
        start = self.flow
        ends = []
        for way in ways:
            self.flow = start.copy()
            way()
            ends.append(self.flow)
        self.flow = join(ends)

    def assign(self, node: ast.Assign) -> None:
        """Walk ``a = b = value``."""
        self.visit(node.value)
        self.visit_all(node.targets)

    def augmented(self, node: ast.AugAssign) -> None:
        """Walk ``target += value``: the target is read first."""
        target = node.target
        if isinstance(target, ast.Name):
            self.read(target.id)
            self.mutate(target)
        else:
            self.visit_all([target.value, getattr(target, "slice", None)])
        self.visit(node.value)
        self.may_call()
        self.visit(target)

    def annotated(self, node: ast.AnnAssign) -> None:
        """Walk ``target: annotation = value``; the annotation comes last."""
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)
        elif not isinstance(node.target, ast.Name):
            self.visit_all([node.target.value, getattr(node.target, "slice", None)])
        inside = self.scopes[-1].kind if self.scopes else None
        if inside is not ScopeKind.FUNCTION:
            self.annotation(node.annotation)

    def annotation(self, node: ast.expr | None) -> None:
        """Walk an annotation, if and when Python evaluates it."""
        if node is None or self.text_annotations:
            return
        if _LAZY_ANNOTATIONS:
            self.later(node)
        else:
            self.visit(node)

    def later(self, node: ast.expr) -> None:
        """Walk an expression that is evaluated when somebody asks for its value."""
        scope = Scope(ScopeKind.TYPE_PARAMETERS, frozenset())
        self.define(self.body(node, scope, partial(self.visit, node)))

    def assertion(self, node: ast.Assert) -> None:
        """Walk ``assert``: what it binds, it binds only without ``-O``."""
        self.maybe(partial(self.test, node.test))
        if node.msg is not None:
            after = self.flow.copy()
            self.visit(node.msg)
            self.flow = after

    def import_(self, node: ast.Import) -> None:
        """Walk ``import a.b``, which binds ``a``."""
        for alias in node.names:
            self._import_of(node, alias.name)
            self.bind(alias.asname or alias.name.partition(".")[0])

    def import_from(self, node: ast.ImportFrom) -> None:
        """Walk ``from m import a``."""
        module = "." * node.level + (node.module or "")
        self._import_of(node, module)
        for alias in node.names:
            if alias.name == "*":
                self.star_imports[module] = None
            else:
                self.bind(alias.asname or alias.name)

    def _import_of(self, node: ast.stmt, module: str) -> None:
        if module == "__main__":
            self.note(node, "imports __main__", NoteKind.DYNAMIC)
        # A module that is imported for the first time runs code of its own.
        self.may_call()

    def if_(self, node: ast.If) -> None:
        """Walk ``if``, without a level of recursion for each ``elif``."""
        ends = []
        branch = node
        while True:
            self.test(branch.test)
            always = truth(branch.test)
            if always is not False:
                otherwise = self.flow.copy()
                self.block(branch.body)
                ends.append(self.flow)
                self.flow = otherwise
            if always is True:
                self.flow = Flow(reachable=False)
                break
            if len(branch.orelse) != 1 or not isinstance(branch.orelse[0], ast.If):
                self.block(branch.orelse)
                break
            branch = branch.orelse[0]
        for end in ends:
            self.flow.absorb(end)

    def for_(self, node: ast.For | ast.AsyncFor) -> None:
        """Walk ``for``: the target is bound only if there is an item."""
        self.visit(node.iter)
        self.may_call()
        self._loop(self.may_call, [node.target, *node.body], node.orelse)

    def while_(self, node: ast.While) -> None:
        """Walk ``while``: an endless loop is left by ``break`` alone."""
        always = truth(node.test)
        body: list[ast.AST] = [] if always is False else [*node.body]
        self._loop(
            partial(self.test, node.test),
            body,
            node.orelse,
            endless=always is True,
            never=always is False,
        )

    def _loop(
        self,
        ask: Callable[[], None],
        body: list[ast.AST],
        orelse: list[ast.stmt],
        *,
        endless: bool = False,
        never: bool = False,
    ) -> None:
        while True:
            head = self.flow.copy()
            jumps = Jumps(frozenset({"break", "continue"}))
            ask()
            exhausted = Flow(reachable=False) if endless else self.flow.copy()
            if never:
                break
            self.frame.jumps.append(jumps)
            for node in body:
                if self.flow.reachable:
                    self.visit(node)
            self.frame.jumps.pop()
            self.flow.absorb(jumps.state("continue"))
            self.flow.absorb(head)
            if self.flow.same_as(head):
                break
        self.flow = exhausted
        self.block(orelse)
        self.flow.absorb(jumps.state("break"))

    def break_(self, _node: ast.Break) -> None:
        """Leave the loop."""
        self.jump("break")

    def continue_(self, _node: ast.Continue) -> None:
        """Go to the loop's next turn."""
        self.jump("continue")

    def return_(self, node: ast.Return) -> None:
        """Leave the function."""
        if node.value is not None:
            self.visit(node.value)
        self.jump("return")

    def raise_(self, node: ast.Raise) -> None:
        """Leave for whoever handles the exception."""
        self.visit_all([node.exc, node.cause])
        self.may_call()
        self.flow.reachable = False

    def try_(self, node: ast.Try) -> None:
        """Walk ``try`` and ``try ... except*``."""
        if not node.finalbody:
            self._guarded(node)
            return
        raised = self.flow.copy()
        jumps = Jumps(frozenset({"break", "continue", "return"}))
        self.frame.raising.append(raised)
        self.frame.jumps.append(jumps)
        self._guarded(node)
        self.frame.jumps.pop()
        self.frame.raising.pop()
        normal = self.flow
        # The block runs on every way out, and each goes on where it was going.
        self.flow = raised
        self.block(node.finalbody)
        for by, flow in jumps.states.items():
            self.flow = flow
            self.block(node.finalbody)
            if self.flow.reachable:
                self.jump(by)
        self.flow = normal
        self.block(node.finalbody)

    def _guarded(self, node: ast.Try) -> None:
        raised = self.flow.copy()
        self.frame.raising.append(raised)
        self.block(node.body)
        self.frame.raising.pop()
        self.block(node.orelse)
        ends = [self.flow]
        several = isinstance(node, getattr(ast, "TryStar", ()))
        for handler in node.handlers:
            self.flow = raised.copy()
            if handler.type is not None:
                self.visit(handler.type)
                self.may_call()
                raised = self.flow.copy()
            self._handler(handler)
            ends.append(self.flow)
            if several:
                # The next handler may get the rest of the same group.
                raised.absorb(self.flow)
        self.flow = join(ends)

    def _handler(self, handler: ast.ExceptHandler) -> None:
        """Walk a handler; its name is deleted however the block is left."""
        if handler.name is None:
            self.block(handler.body)
            return
        self.bind(handler.name)
        self.may_be_deleted(handler.name)
        jumps = Jumps(frozenset({"break", "continue", "return"}))
        self.frame.jumps.append(jumps)
        self.block(handler.body)
        self.frame.jumps.pop()
        normal = self.flow
        for by, flow in jumps.states.items():
            self.flow = flow
            self.unbind(handler.name)
            self.jump(by)
        self.flow = normal
        self.unbind(handler.name)

    def with_(self, node: ast.With | ast.AsyncWith) -> None:
        """Walk ``with``: its exit may swallow an exception from half way."""
        self._with_items(node.items, node.body)

    def _with_items(self, items: list[ast.withitem], body: list[ast.stmt]) -> None:
        if not items:
            self.block(body)
            return
        item = items[0]
        self.visit(item.context_expr)
        self.may_call()
        raised = self.flow.copy()
        self.frame.raising.append(raised)
        if item.optional_vars is not None:
            self.visit(item.optional_vars)
        self._with_items(items[1:], body)
        self.frame.raising.pop()
        if not _lets_pass(item.context_expr):
            self.flow.absorb(raised)
        if self.flow.reachable:
            self.may_call()

    def match(self, node: ast.Match) -> None:
        """Walk ``match``."""
        self.visit(node.subject)
        self.may_call()
        ends = []
        for case in node.cases:
            failed = self.flow.copy()
            self.pattern(case.pattern)
            if _irrefutable(case.pattern):
                failed = Flow(reachable=False)
            if case.guard is not None:
                self.test(case.guard)
                if truth(case.guard) is not True:
                    failed.absorb(self.flow)
            self.block(case.body)
            ends.append(self.flow)
            self.flow = failed
            if not failed.reachable:
                break
        for end in ends:
            self.flow.absorb(end)

    def pattern(self, pattern: ast.pattern) -> None:
        """Walk a pattern: it looks values up, then binds all its names at once."""
        names = []
        for node in ast.walk(pattern):
            match node:
                case ast.MatchValue(value=value) | ast.MatchClass(cls=value):
                    self.visit(value)
                case ast.MatchMapping(keys=keys, rest=rest):
                    self.visit_all([*keys])
                    names.append(rest)
                case ast.MatchAs(name=name) | ast.MatchStar(name=name):
                    names.append(name)
        self.may_call()
        for name in names:
            if name is not None:
                self.bind(name)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Walk a definition: decorators and defaults now, the body when called."""
        self.visit_all(node.decorator_list)
        self.visit_all(node.args.defaults)
        self.visit_all(node.args.kw_defaults)
        with_types = self._open_type_parameters(node)
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                self.annotation(argument.annotation)
        self.annotation(node.returns)
        scope = self.scope(ScopeKind.FUNCTION, node.body, parameters(node.args))
        body = self.body(node, scope, partial(self.block, node.body))
        self.define(body)
        if with_types:
            self.scopes.pop()
        if node.decorator_list:
            self.may_call()
        self.bind(node.name)
        if not node.decorator_list and not self.scopes and _is_plain_function(node):
            self.flow.known[node.name] = body

    def class_(self, node: ast.ClassDef) -> None:
        """Walk a class: its body runs now, its methods when called."""
        self.visit_all(node.decorator_list)
        with_types = self._open_type_parameters(node)
        self.visit_all(node.bases)
        self.visit_all(node.keywords)
        inside = self.class_scope(node)
        self.scopes.append(inside)
        self.block(node.body)
        self.scopes.pop()
        self.forget(inside)
        if with_types:
            self.scopes.pop()
        if not _is_bare_class(node):
            self.may_call()
        self.bind(node.name)

    def alias(self, node: Any) -> None:
        """Walk ``type X = ...``, whose value is evaluated when asked for."""
        with_types = self._open_type_parameters(node)
        self.later(node.value)
        if with_types:
            self.scopes.pop()
        self.visit(node.name)

    def _open_type_parameters(self, node: Any) -> bool:
        """Enter the scope of ``[T]`` in ``def f[T]()``, if there is one."""
        declared = getattr(node, "type_params", [])
        if not declared:
            return False
        names = frozenset(parameter.name for parameter in declared)
        self.scopes.append(Scope(ScopeKind.TYPE_PARAMETERS, names))
        for parameter in declared:
            for part in ("bound", "default_value"):
                value = getattr(parameter, part, None)
                if value is not None:
                    self.later(value)
        return True

    def nothing(self, _node: ast.AST) -> None:
        """Pass over what only declares."""


def _is_plain_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a call runs the body to its end: no generator, no coroutine."""
    if isinstance(node, ast.AsyncFunctionDef):
        return False
    return not any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(node))


def _is_bare_class(node: ast.ClassDef) -> bool:
    """Return whether creating the class calls nothing that the cell could see."""
    if node.bases or node.keywords or node.decorator_list:
        return False
    for statement in node.body:
        match statement:
            case ast.FunctionDef(decorator_list=[]) | ast.Pass():
                pass
            case ast.AsyncFunctionDef(decorator_list=[]):
                pass
            case ast.Expr(value=ast.Constant()) | ast.Assign(value=ast.Constant()):
                pass
            case ast.AnnAssign(value=None | ast.Constant()):
                pass
            case _:
                return False
    return True


def _lets_pass(node: ast.expr) -> bool:
    """Return whether a context manager is known never to swallow an exception."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in PASSING
    return False


def _irrefutable(pattern: ast.pattern) -> bool:
    match pattern:
        case ast.MatchAs(pattern=None):
            return True
        case ast.MatchAs(pattern=ast.pattern() as inner):
            return _irrefutable(inner)
        case ast.MatchOr(patterns=patterns):
            return _irrefutable(patterns[-1])
    return False


StatementWalk.handlers = {
    **ExpressionWalk.handlers,
    ast.AnnAssign: StatementWalk.annotated,
    ast.Assert: StatementWalk.assertion,
    ast.Assign: StatementWalk.assign,
    ast.AsyncFor: StatementWalk.for_,
    ast.AsyncFunctionDef: StatementWalk.function,
    ast.AsyncWith: StatementWalk.with_,
    ast.AugAssign: StatementWalk.augmented,
    ast.Break: StatementWalk.break_,
    ast.ClassDef: StatementWalk.class_,
    ast.Continue: StatementWalk.continue_,
    ast.For: StatementWalk.for_,
    ast.FunctionDef: StatementWalk.function,
    ast.Global: StatementWalk.nothing,
    ast.If: StatementWalk.if_,
    ast.Import: StatementWalk.import_,
    ast.ImportFrom: StatementWalk.import_from,
    ast.Match: StatementWalk.match,
    ast.Nonlocal: StatementWalk.nothing,
    ast.Raise: StatementWalk.raise_,
    ast.Return: StatementWalk.return_,
    ast.Try: StatementWalk.try_,
    ast.TryStar: StatementWalk.try_,
    ast.While: StatementWalk.while_,
    ast.With: StatementWalk.with_,
}
if sys.version_info >= (3, 12):
    StatementWalk.handlers[ast.TypeAlias] = StatementWalk.alias
