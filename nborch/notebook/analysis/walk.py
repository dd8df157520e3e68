"""The bookkeeping of a walk through a cell: reads, bindings, calls and bodies."""

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from nborch.notebook.analysis.liveness import (
    BOUND,
    GONE,
    OLD,
    Body,
    Flow,
    Name,
    Note,
    NoteKind,
)
from nborch.notebook.analysis.scopes import (
    ClassName,
    Scope,
    ScopeKind,
    bound_names,
    mangled,
    resolve,
)

__all__ = ["Frame", "Jumps", "Walk"]


@dataclass(slots=True)
class Jumps:
    """Where the ways out of a block meet, by the statement that takes them.

    A loop is the destination of ``break`` and ``continue``, a function that of
    ``return``. A ``finally`` block is on the way of all three: it runs first.
    """

    catches: frozenset[str]
    states: dict[str, Flow] = field(default_factory=dict)

    def arrive(self, by: str, flow: Flow) -> None:
        """Let control come here from `flow` by the statement `by`."""
        self.states.setdefault(by, Flow(reachable=False)).absorb(flow)

    def state(self, by: str) -> Flow:
        """Return the state after all the statements `by` that lead here."""
        return self.states.get(by, Flow(reachable=False))


@dataclass(slots=True)
class Frame:
    """What is found in one body of code: the cell itself or a function in it.

    Parameters
    ----------
    raising
        One state for each ``try`` around the present point: what may be true when
        an exception leaves the guarded code, wherever it is raised.
    touched
        Globals bound or deleted since the list was last emptied.
    calls
        How often something may have called something.
    """

    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    deletes: set[str] = field(default_factory=set)
    mutates: set[str] = field(default_factory=set)
    reaches_into: set[str] = field(default_factory=set)
    notes: set[Note] = field(default_factory=set)
    raising: list[Flow] = field(default_factory=list)
    jumps: list[Jumps] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    bodies: list[Body] = field(default_factory=list)
    calls: int = 0


class Walk:
    """A walk through a cell in evaluation order, without the grammar."""

    def __init__(self) -> None:
        self.frame = Frame()
        self.flow = Flow()
        self.scopes: list[Scope] = []
        self.literals: set[str] = set()
        self.star_imports: dict[str, None] = {}
        self._bodies: dict[int, Body] = {}
        self._classes: dict[int, Scope] = {}

    def read(self, name: str) -> None:
        """Note that the value of `name` is looked up here."""
        where = self.global_of(name)
        if where is not None and self.flow.of(where) & OLD:
            self.frame.reads.add(where)

    def global_of(self, name: str) -> str | None:
        """Return the global that `name` may mean here, or None if it means none."""
        where = resolve(name, self.scopes)
        if isinstance(where, ClassName):
            return where.name if self.flow.of(where) & OLD else None
        return where

    def bind(self, name: str) -> None:
        """Note that `name` gets a value here."""
        where = resolve(name, self._binding_scopes())
        if where is not None:
            self._set(where, BOUND)

    def delete(self, name: str) -> None:
        """Note that `name` is deleted here; Python looks it up first."""
        self.read(name)
        self.unbind(name)

    def unbind(self, name: str) -> None:
        """Note that `name` is deleted here, whether it is bound or not."""
        where = resolve(name, self._binding_scopes())
        if where is not None and self.flow.reachable:
            self._set(where, GONE)

    def may_be_deleted(self, name: str) -> None:
        """Note that `name` is deleted if an exception is raised from here on."""
        where = resolve(name, self._binding_scopes())
        if where is not None:
            self._record(where, GONE)

    def mutate(self, node: ast.AST, *, reaches_in: bool = False) -> None:
        """Note that the object at the root of ``x.a[0].b`` is changed in place.

        Parameters
        ----------
        reaches_in
            Whether an attribute of it is what changes, as in ``x.a.append(1)``.
        """
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
            node = node.value
        if isinstance(node, ast.Name):
            where = self.global_of(node.id)
            if where is not None:
                self.frame.mutates.add(where)
                if reaches_in:
                    self.frame.reaches_into.add(where)

    def note(self, node: ast.AST, phrase: str, kind: NoteKind) -> None:
        """Keep a remark about the line of `node`."""
        self.frame.notes.add(Note(getattr(node, "lineno", 0), phrase, kind))

    def may_call(self) -> None:
        """Note that whatever is evaluated here may call any function that exists."""
        self.frame.calls += 1
        flow = self.flow
        if flow.pending:
            for body in flow.pending:
                self._run(body)
            written = {body for body in flow.pending if body.writes or body.deletes}
            flow.writers |= written
            flow.pending = frozenset()
            for raised in self.frame.raising:
                raised.writers |= written
        for body in flow.writers:
            self._leave_behind(body)

    def define(self, body: Body) -> None:
        """Note that from here on something may call `body`."""
        self.frame.bodies.append(body)
        self.flow.pending |= {body}
        for raised in self.frame.raising:
            raised.pending |= {body}

    def body(self, node: ast.AST, scope: Scope, run: Callable[[], None]) -> Body:
        """Return what happens when the function at `node` runs; `run` walks it.

        A body is walked once, however often the loops around it are.
        """
        found = self._bodies.get(id(node))
        if found is not None:
            return found
        outside = self.frame, self.flow
        self.frame, self.flow = Frame(), Flow()
        returns = Jumps(frozenset({"return"}))
        self.frame.jumps.append(returns)
        self.scopes.append(scope)
        run()
        self.scopes.pop()
        self.flow.absorb(returns.state("return"))
        # What the function has defined outlives it: calling it may mean calling that.
        for inner in self.flow.pending:
            self._run(inner)
        frame, flow = self.frame, self.flow
        self.frame, self.flow = outside
        found = Body(
            reads=frozenset(frame.reads),
            writes=frozenset(frame.writes),
            deletes=frozenset(frame.deletes),
            surely=frozenset(
                name
                for name, flags in flow.names.items()
                if flags == BOUND and isinstance(name, str) and flow.reachable
            ),
            mutates=frozenset(frame.mutates),
            reaches_into=frozenset(frame.reaches_into),
            notes=frozenset(frame.notes),
        )
        self._bodies[id(node)] = found
        return found

    def scope(
        self,
        kind: ScopeKind,
        nodes: Iterable[ast.AST],
        more: Iterable[str] = (),
        name: str = "",
    ) -> Scope:
        """Return the scope that is made of `nodes`, with `more` names of its own."""
        bound, shared, outer = bound_names(nodes)
        own = bound.union(more) - shared - outer
        around = [*self.scopes, Scope(kind, frozenset(), name=name)]
        return Scope(
            kind,
            frozenset(mangled(own_name, around) for own_name in own),
            frozenset(mangled(global_name, around) for global_name in shared),
            name,
        )

    def class_scope(self, node: ast.ClassDef) -> Scope:
        """Return the scope of a class, with none of its names bound yet.

        NB. The same scope each time: a loop is walked until nothing new turns up.
        """
        if id(node) not in self._classes:
            scope = self.scope(ScopeKind.CLASS, node.body, name=node.name)
            self._classes[id(node)] = scope
        self.forget(self._classes[id(node)])
        return self._classes[id(node)]

    def forget(self, scope: Scope) -> None:
        """Drop the names of a class body that begins or is over."""
        for name in scope.own:
            self.flow.names.pop(ClassName(scope, name), None)

    def repeat(self, once: Callable[[], None]) -> None:
        """Walk what may happen any number of times, or never."""
        while True:
            head = self.flow.copy()
            once()
            self.flow.absorb(head)
            if self.flow.same_as(head):
                return

    def maybe(self, once: Callable[[], None]) -> None:
        """Walk what may happen or not."""
        before = self.flow.copy()
        once()
        self.flow.absorb(before)

    def jump(self, by: str) -> None:
        """Leave the present point by ``break``, ``continue`` or ``return``."""
        for target in reversed(self.frame.jumps):
            if by in target.catches:
                target.arrive(by, self.flow)
                break
        self.flow.reachable = False

    def _binding_scopes(self) -> list[Scope]:
        """Return the scopes without the comprehensions, which a walrus jumps over.

        The targets of a comprehension are bound in its own scope, and nobody asks:
        they hide the name from everything inside.
        """
        scopes = self.scopes
        while scopes and scopes[-1].kind is ScopeKind.COMPREHENSION:
            scopes = scopes[:-1]
        return scopes

    def _set(self, where: Name, flag: int) -> None:
        self.flow.names[where] = flag
        self._record(where, flag)

    def _record(self, where: Name, flag: int) -> None:
        """Keep for good that `where` was bound or deleted at some point."""
        if isinstance(where, str):
            self.flow.known.pop(where, None)
            self.frame.touched.add(where)
            (self.frame.writes if flag == BOUND else self.frame.deletes).add(where)
        for raised in self.frame.raising:
            raised.names[where] = raised.of(where) | flag
            if isinstance(where, str):
                raised.known.pop(where, None)

    def _run(self, body: Body) -> None:
        flow, frame = self.flow, self.frame
        frame.reads.update(name for name in body.reads if flow.of(name) & OLD)
        frame.mutates |= body.mutates
        frame.reaches_into |= body.reaches_into
        frame.notes |= body.notes
        self._leave_behind(body)

    def _leave_behind(self, body: Body) -> None:
        for names, flag in ((body.writes, BOUND), (body.deletes, GONE)):
            for name in names:
                self.flow.names[name] = self.flow.of(name) | flag
                self._record(name, flag)

    def returns_from(self, body: Body) -> None:
        """Note that a call of `body`, and of nothing else, has just returned."""
        for name in body.surely:
            self._set(name, BOUND)
