"""The walk through expressions, in the order in which Python evaluates them."""

import ast
import re
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from nborch.notebook.analysis.idioms import (
    MUTATES_FIRST,
    MUTATORS,
    PROVABLE_IF_LITERAL,
    TEXT_READERS,
)
from nborch.notebook.analysis.liveness import OLD, NoteKind
from nborch.notebook.analysis.scopes import ScopeKind
from nborch.notebook.analysis.shell_calls import shell_method
from nborch.notebook.analysis.walk import Walk

__all__ = ["LONGEST_LITERAL", "ExpressionWalk", "truth"]

#: Longer strings are texts, not paths.
LONGEST_LITERAL = 4096

_DYNAMIC = frozenset(
    {"exec", "eval", "globals", "locals", "__import__", "input", "breakpoint"}
)
#: These read the namespace only when they are called with nothing.
_DYNAMIC_IF_BARE = frozenset({"vars", "dir"})
_STACK = frozenset(
    {"_getframe", "currentframe", "f_globals", "f_locals", "f_back", "__globals__"}
)
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


def truth(node: ast.AST) -> bool | None:
    """Return what a test always is, or None if that depends.

    >>> truth(ast.parse("not 0", mode="eval").body)
    True
    """
    match node:
        case ast.Constant(value=value):
            return bool(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            always = truth(operand)
            return None if always is None else not always
    return None


class ExpressionWalk(Walk):
    """A walk that knows the grammar of expressions."""

    handlers: ClassVar[dict[type[ast.AST], Callable[[Any, Any], None]]] = {}

    def visit(self, node: ast.AST) -> None:
        """Walk one node."""
        handler = self.handlers.get(type(node))
        if handler is None:
            self.children(node)
        else:
            handler(self, node)

    def children(self, node: ast.AST) -> None:
        """Walk the parts of a node that does nothing by itself."""
        for child in ast.iter_child_nodes(node):
            self.visit(child)

    def visit_all(self, nodes: list[Any]) -> None:
        """Walk nodes one after the other; None stands for one left out."""
        for node in nodes:
            if node is not None:
                self.visit(node)

    def test(self, node: ast.expr) -> None:
        """Walk an expression whose truth is then asked for."""
        self.visit(node)
        if truth(node) is None:
            self.may_call()

    def name(self, node: ast.Name) -> None:
        """Read, bind or delete a name."""
        if isinstance(node.ctx, ast.Load):
            if node.id in _DYNAMIC and self._is_builtin(node.id):
                self.note(node, f"uses {node.id}", NoteKind.DYNAMIC)
            self.read(node.id)
        elif isinstance(node.ctx, ast.Store):
            self.bind(node.id)
        else:
            self.delete(node.id)

    def constant(self, node: ast.Constant) -> None:
        """Keep a string that could be a path."""
        if isinstance(node.value, str) and len(node.value) <= LONGEST_LITERAL:
            self.literals.add(node.value)

    def attribute(self, node: ast.Attribute) -> None:
        """Look an attribute up, set it or delete it."""
        method = shell_method(node)
        if method is not None:
            self.note(node, f"uses get_ipython().{method}", NoteKind.DYNAMIC)
            return
        if node.attr in _STACK:
            self.note(node, f"uses .{node.attr}", NoteKind.DYNAMIC)
        if node.attr in _DYNAMIC and _is_name(node.value, "builtins", "__builtins__"):
            self.note(node, f"uses {node.attr}", NoteKind.DYNAMIC)
        self.visit(node.value)
        self._reach_in(node)

    def subscript(self, node: ast.Subscript) -> None:
        """Look an item up, set it or delete it."""
        self.visit(node.value)
        self.visit(node.slice)
        if isinstance(node.value, ast.Attribute) and node.value.attr == "modules":
            match node.slice:
                case ast.Constant(value=str(module)) if module != "__main__":
                    pass
                case _:
                    self.note(node, "uses sys.modules", NoteKind.DYNAMIC)
        self._reach_in(node)

    def _reach_in(self, node: ast.Attribute | ast.Subscript) -> None:
        self.may_call()
        if not isinstance(node.ctx, ast.Load):
            self.mutate(node.value, reaches_in=True)

    def operation(self, node: ast.AST) -> None:
        """Walk the operands; operators call methods of theirs."""
        self.children(node)
        self.may_call()

    def binary(self, node: ast.BinOp) -> None:
        """Walk ``a + b + c`` without a level of recursion for each operator."""
        left: ast.expr = node
        rights: list[ast.expr] = []
        while isinstance(left, ast.BinOp):
            rights.append(left.right)
            left = left.left
        self.visit(left)
        constant = isinstance(left, ast.Constant)
        for right in reversed(rights):
            self.visit(right)
            constant = constant and isinstance(right, ast.Constant)
            if not constant:
                self.may_call()

    def unary(self, node: ast.UnaryOp) -> None:
        """Walk ``-x``."""
        self.visit(node.operand)
        if not isinstance(node.operand, ast.Constant):
            self.may_call()

    def boolean(self, node: ast.BoolOp) -> None:
        """Walk ``a and b``: what follows the first is evaluated only maybe."""
        ends = []
        for value in node.values[:-1]:
            self.test(value)
            ends.append(self.flow.copy())
        self.visit(node.values[-1])
        for end in ends:
            self.flow.absorb(end)

    def compare(self, node: ast.Compare) -> None:
        """Walk ``a < b < c``: what follows the second is evaluated only maybe."""
        self.visit(node.left)
        ends = []
        for number, operand in enumerate(node.comparators):
            self.visit(operand)
            if not isinstance(node.ops[number], ast.Is | ast.IsNot):
                self.may_call()
            ends.append(self.flow.copy() if len(node.comparators) > 1 else self.flow)
        for end in ends[:-1]:
            self.flow.absorb(end)

    def conditional(self, node: ast.IfExp) -> None:
        """Walk ``a if test else b``."""
        self.test(node.test)
        always = truth(node.test)
        if always is not None:
            self.visit(node.body if always else node.orelse)
            return
        before = self.flow.copy()
        self.visit(node.body)
        after, self.flow = self.flow, before
        self.visit(node.orelse)
        self.flow.absorb(after)

    def walrus(self, node: ast.NamedExpr) -> None:
        """Walk ``name := value``."""
        self.visit(node.value)
        self.bind(node.target.id)

    def mapping(self, node: ast.Dict) -> None:
        """Walk ``{key: value}`` pair by pair."""
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                self.visit(key)
            self.visit(value)
            if not isinstance(key, ast.Constant):
                self.may_call()

    def sequence(self, node: ast.List | ast.Tuple) -> None:
        """Walk a display, or unpack into its targets."""
        if isinstance(node.ctx, ast.Store):
            self.may_call()
        self.visit_all(node.elts)

    def starred(self, node: ast.Starred) -> None:
        """Walk ``*rest``: as an argument it is iterated over."""
        self.visit(node.value)
        if isinstance(node.ctx, ast.Load):
            self.may_call()

    def formatted(self, node: ast.JoinedStr) -> None:
        """Walk an f-string or t-string; its constant parts are no literals."""
        for value in node.values:
            if not isinstance(value, ast.Constant):
                self.visit(value)

    def lambda_(self, node: ast.Lambda) -> None:
        """Walk the defaults; the body is for whoever calls it."""
        self.visit_all(node.args.defaults)
        self.visit_all(node.args.kw_defaults)
        scope = self.scope(ScopeKind.FUNCTION, [node.body], parameters(node.args))
        self.define(self.body(node, scope, partial(self.visit, node.body)))

    def comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        """Walk a comprehension; a generator's body is for whoever asks for items."""
        first = node.generators[0]
        self.visit(first.iter)
        self.may_call()
        targets = [clause.target for clause in node.generators]
        scope = self.scope(ScopeKind.COMPREHENSION, targets)
        elements = (
            [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        )
        walk = partial(self._clauses, node.generators, 0, elements)
        if isinstance(node, ast.GeneratorExp):
            self.define(self.body(node, scope, walk))
            return
        self.scopes.append(scope)
        walk()
        self.scopes.pop()

    def _clauses(
        self,
        clauses: list[ast.comprehension],
        number: int,
        elements: list[ast.expr],
    ) -> None:
        if number == len(clauses):
            self.visit_all(elements)
            self.may_call()
            return
        clause = clauses[number]
        if number:
            self.visit(clause.iter)
            self.may_call()
        self.repeat(partial(self._turn, clauses, number, elements))

    def _turn(
        self,
        clauses: list[ast.comprehension],
        number: int,
        elements: list[ast.expr],
    ) -> None:
        """Walk one turn of a ``for`` clause; each ``if`` may end it early."""
        clause = clauses[number]
        self.may_call()
        if not isinstance(clause.target, ast.Name):
            self._targets_within(clause.target)
        ends = []
        for condition in clause.ifs:
            self.test(condition)
            ends.append(self.flow.copy())
        self._clauses(clauses, number + 1, elements)
        for end in ends:
            self.flow.absorb(end)

    def _targets_within(self, target: ast.expr) -> None:
        """Walk what a comprehension's target does apart from binding its names."""
        for node in ast.walk(target):
            if isinstance(node, ast.Attribute | ast.Subscript):
                self.visit(node)

    def call(self, node: ast.Call) -> None:
        """Walk a call: the function, the arguments, then what it does."""
        called = node.func
        known = None
        if isinstance(called, ast.Name):
            known = self.flow.known.get(called.id) if not self.scopes else None
            self._called_name(node, called)
        else:
            self.visit(called)
        self.visit_all(node.args)
        self.visit_all(node.keywords)
        self._mutations_by(node)
        self._names_in_texts(node)
        self.may_call()
        if known is not None:
            self.returns_from(known)

    def _called_name(self, node: ast.Call, called: ast.Name) -> None:
        name = called.id
        if name == "get_ipython":
            self.note(node, "keeps get_ipython()", NoteKind.DYNAMIC)
        bare = not node.args and not node.keywords
        if name in _DYNAMIC or (bare and name in _DYNAMIC_IF_BARE):
            if self._is_builtin(name):
                self.note(node, f"calls {name}()", NoteKind.DYNAMIC)
            self.read(name)
        else:
            self.visit(called)

    def _is_builtin(self, name: str) -> bool:
        """Return whether `name` may be the builtin here: the cell has not bound it."""
        where = self.global_of(name)
        return where is not None and bool(self.flow.of(where) & OLD)

    def _mutations_by(self, node: ast.Call) -> None:
        called = node.func
        last = ""
        if isinstance(called, ast.Attribute):
            last = called.attr
            if last in MUTATORS:
                through = isinstance(called.value, ast.Attribute)
                self.mutate(called.value, reaches_in=through)
        elif isinstance(called, ast.Name):
            last = called.id
        if last in MUTATES_FIRST and node.args:
            self.mutate(node.args[0])
        for keyword in node.keywords:
            if keyword.arg == "out":
                self.mutate(keyword.value)
            elif (
                keyword.arg == "inplace"
                and truth(keyword.value) is not False
                and isinstance(called, ast.Attribute)
            ):
                self.mutate(called.value)

    def _names_in_texts(self, node: ast.Call) -> None:
        called = node.func
        if isinstance(called, ast.Attribute):
            last = called.attr
        elif isinstance(called, ast.Name):
            last = called.id
        else:
            return
        if last not in TEXT_READERS:
            return
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        for value in values:
            for part in ast.walk(value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    for name in _IDENTIFIER.findall(part.value):
                        self.read(name)
        provable = not values or isinstance(values[0], ast.Constant | ast.JoinedStr)
        if last in PROVABLE_IF_LITERAL and not provable:
            self.note(node, f"calls {last}() on a computed text", NoteKind.DYNAMIC)


def parameters(arguments: ast.arguments) -> list[str]:
    """Return the names of all parameters.

    >>> parameters(ast.parse("lambda a, *b, c=1, **d: 0", mode="eval").body.args)
    ['a', 'c', 'b', 'd']
    """
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    rest = (arguments.vararg, arguments.kwarg)
    return [argument.arg for argument in (*named, *rest) if argument is not None]


def _is_name(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Name) and node.id in names


ExpressionWalk.handlers.update(
    {
        ast.Attribute: ExpressionWalk.attribute,
        ast.Await: ExpressionWalk.operation,
        ast.BinOp: ExpressionWalk.binary,
        ast.BoolOp: ExpressionWalk.boolean,
        ast.Call: ExpressionWalk.call,
        ast.Compare: ExpressionWalk.compare,
        ast.Constant: ExpressionWalk.constant,
        ast.Dict: ExpressionWalk.mapping,
        ast.DictComp: ExpressionWalk.comprehension,
        ast.FormattedValue: ExpressionWalk.operation,
        ast.GeneratorExp: ExpressionWalk.comprehension,
        ast.IfExp: ExpressionWalk.conditional,
        ast.JoinedStr: ExpressionWalk.formatted,
        ast.Lambda: ExpressionWalk.lambda_,
        ast.List: ExpressionWalk.sequence,
        ast.ListComp: ExpressionWalk.comprehension,
        ast.Name: ExpressionWalk.name,
        ast.NamedExpr: ExpressionWalk.walrus,
        ast.Set: ExpressionWalk.operation,
        ast.SetComp: ExpressionWalk.comprehension,
        ast.Starred: ExpressionWalk.starred,
        ast.Subscript: ExpressionWalk.subscript,
        ast.Tuple: ExpressionWalk.sequence,
        ast.UnaryOp: ExpressionWalk.unary,
        ast.Yield: ExpressionWalk.operation,
        ast.YieldFrom: ExpressionWalk.operation,
    }
)
