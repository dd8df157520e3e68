"""Which scope a name belongs to: the cell's namespace, a class body or a function."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

__all__ = ["ClassName", "Scope", "ScopeKind", "bound_names", "mangled", "resolve"]


class ScopeKind(Enum):
    """How a scope looks names up."""

    #: A function or lambda: names bound anywhere in it are its own throughout.
    FUNCTION = "function"
    #: A comprehension: its targets are its own, walruses go to the scope around it.
    COMPREHENSION = "comprehension"
    #: A class body: names not bound *yet* fall through to the globals.
    CLASS = "class"
    #: PEP 695 type parameters: unlike a function, it sees the class around it.
    TYPE_PARAMETERS = "type parameters"


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """One scope on the way from the cell to where the analysis stands.

    Parameters
    ----------
    own
        The names that are bound in this scope.
    shared
        The names that this scope declares ``global``.
    name
        The name of a class, which private names in it are mangled with.
    """

    kind: ScopeKind
    own: frozenset[str]
    shared: frozenset[str] = field(default=frozenset())
    name: str = ""


@dataclass(frozen=True, slots=True)
class ClassName:
    """A name in a class body: read from there if bound, else from the globals."""

    scope: Scope
    name: str


def resolve(name: str, scopes: list[Scope]) -> str | ClassName | None:
    """Return where `name` lives: a global's name, a class's, or None for a local.

    >>> resolve("x", [])
    'x'
    >>> resolve("x", [Scope(ScopeKind.FUNCTION, frozenset({"x"}))]) is None
    True
    """
    if name.startswith("__") and scopes:
        name = mangled(name, scopes)
    direct = True
    for scope in reversed(scopes):
        if scope.kind is ScopeKind.CLASS:
            if direct and name in scope.shared:
                return name
            if direct and name in scope.own:
                return ClassName(scope, name)
            if name == "__class__" and not direct:
                return None
        elif name in scope.shared:
            return name
        elif name in scope.own:
            return None
        if scope.kind is not ScopeKind.TYPE_PARAMETERS:
            direct = False
    return name


def mangled(name: str, scopes: list[Scope]) -> str:
    """Return the name that Python really uses for ``__private`` within a class."""
    if not name.startswith("__") or name.endswith("__"):
        return name
    for scope in reversed(scopes):
        if scope.kind is ScopeKind.CLASS:
            stem = scope.name.lstrip("_")
            return f"_{stem}{name}" if stem else name
    return name


def bound_names(nodes: Iterable[ast.AST]) -> tuple[set[str], set[str], set[str]]:
    """Return the names that `nodes` bind, declare global and declare nonlocal.

    Functions, lambdas and classes inside are other scopes and not looked into;
    of a comprehension only the walruses count.

    >>> bound_names(ast.parse("global g; g = x = [(y := i) for i in z]").body)[:2] == (
    ...     {"g", "x", "y"},
    ...     {"g"},
    ... )
    True
    """
    bound: set[str] = set()
    shared: set[str] = set()
    outer: set[str] = set()
    for node in _within_scope(nodes):
        match node:
            case ast.Global():
                shared.update(node.names)
            case ast.Nonlocal():
                outer.update(node.names)
            case _:
                bound.update(_bound_by(node))
    return bound, shared, outer


def _bound_by(node: ast.AST) -> Iterator[str]:
    """Yield the names that this one node binds, not those of its children."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Import() | ast.ImportFrom():
            for alias in node.names:
                if alias.name != "*":
                    yield alias.asname or alias.name.partition(".")[0]
        case (
            ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
            | ast.MatchMapping(rest=str(name))
        ):
            yield name


#: What a scope evaluates of the definitions in it: all but their bodies.
_HEADS: dict[type[ast.AST], tuple[str, ...]] = {
    ast.FunctionDef: ("decorator_list", "args", "returns"),
    ast.AsyncFunctionDef: ("decorator_list", "args", "returns"),
    ast.ClassDef: ("decorator_list", "bases", "keywords"),
    ast.Lambda: ("args",),
}

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _within_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    stack: list[tuple[ast.AST, bool]] = [(node, False) for node in nodes]
    while stack:
        node, comprehension = stack.pop()
        # The targets of a comprehension are its own, its walruses are not.
        if not (comprehension and _is_plain_target(node)):
            yield node
        if isinstance(node, ast.NamedExpr):
            yield node.target
            stack.append((node.value, comprehension))
            continue
        comprehension = comprehension or isinstance(node, _COMPREHENSIONS)
        heads = _HEADS.get(type(node))
        if heads is None:
            parts = ast.iter_child_nodes(node)
            stack.extend((part, comprehension) for part in parts)
            continue
        for head in heads:
            value = getattr(node, head)
            children = value if isinstance(value, list) else [value]
            stack.extend((child, comprehension) for child in children if child)


def _is_plain_target(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
