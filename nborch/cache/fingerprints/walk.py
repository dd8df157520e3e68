"""One walk over a value as an ordered graph, written into one digest.

The encoding is the canonical form of a rooted graph: children in their order, and a
number for each thing whose identity a program can notice (lists, dicts, objects,
functions), given when it is first met. A second meeting writes the number. So cycles
end, sharing counts, and nothing depends on addresses or hash order.

Functions and classes are written as numbers too, and their bodies after the value, in
the order of their numbers: a helper that is used a hundred times is read once, and
mutual recursion needs no special care.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, Protocol

from nborch.exceptions import Unfingerprintable

__all__ = ["Encoder", "Encoders", "Entangled", "Label", "Sink", "Steps", "Walk", "pack"]

#: How a path names a child: a ready text (``".rows"``), or a 1-tuple with a key.
Label = str | tuple[object]
#: The children that an encoder asks the walk to write where it stands.
Steps = Iterator[tuple[Label, object]]


class Encoder(Protocol):
    """Writes one kind of value; returns its children, if it has any."""

    def __call__(self, walk: "Walk", value: object, /) -> Steps | None:
        """Write the value's own part and yield what stands within it."""
        ...


@dataclass(frozen=True, slots=True)
class Encoders:
    """What a walk knows of kinds of values."""

    #: The encoder of the values of a class.
    of: Callable[[type], Encoder]
    #: The encoder of a function's or a class's body.
    of_body: Callable[[object], Encoder]
    #: Writes what can be said only when everything was met.
    finish: "Callable[[Walk], None]"


class Entangled(Exception):
    """A container was met again that had been written as part of a plain tree."""


def pack(number: int) -> bytes:
    """Return a non-negative count as bytes that end by themselves."""
    return b"%d;" % number


class Sink:
    """Gathers small pieces and digests them in large ones."""

    __slots__ = ("_hasher", "_parts", "write")

    def __init__(self) -> None:
        from xxhash import xxh3_128

        self._hasher = xxh3_128()
        self._parts: list[bytes] = []
        self.write = self._parts.append

    def flush_if_long(self) -> None:
        """Digest what was gathered when it has become much."""
        if len(self._parts) > 1 << 12:
            self.digest()

    def digest(self) -> bytes:
        """Return the 16 bytes that stand for all that was written so far."""
        self._hasher.update(b"".join(self._parts))
        self._parts.clear()
        return self._hasher.digest()


class _Mark(NamedTuple):
    numbers: int
    frozen: int
    codes: int


class _Member(NamedTuple):
    """A member of a set, written as if it were the only one."""

    value: object
    digest: bytes
    identities: list[int]
    codes: list[object]


class Walk:
    """The state of one fingerprint: what was met, and where the writing goes.

    Parameters
    ----------
    encoders
        Knows each kind of value.
    accelerate
        Whether plain trees may be written by the C pickler. An `Entangled` from a
        walk with it asks for another one without.
    """

    #: Nested sets of objects multiply the work: past this the answer is "no".
    MAX_NESTED_MEMBERS = 20_000
    MAX_TIE_DEPTH = 2

    def __init__(
        self,
        encoders: Encoders,
        *,
        accelerate: bool = True,
        tie_depth: int = 0,
    ) -> None:
        self._encoders = encoders
        self._known: dict[type, Encoder] = {}
        self.accelerate = accelerate
        self._tie_depth = tie_depth
        self.sink = Sink()
        self.write = self.sink.write
        self.numbers: dict[int, int] = {}
        self.frozen: dict[int, bytes] = {}
        self.codes: dict[int, int] = {}
        self.bodies: list[object] = []
        self.swallowed: set[int] = set()
        # Memory that may be shared in parts, to be compared at the end.
        self.arrays: list[Any] = []
        self.touched = 0
        self.depth = 0
        # Ids stand for objects only while the objects live.
        self.alive: list[object] = []
        self._set_depth = 0
        self._members = 0

    def run(self, value: object) -> bytes:
        """Write a value and the code it leads to; return its 16-byte digest."""
        self.visit(value)
        done = 0
        while done < len(self.bodies):
            body = self.bodies[done]
            self.write(b"B" + pack(done))
            self.visit(body, self._encoders.of_body(body))
            done += 1
        self._encoders.finish(self)
        return self.sink.digest()

    def visit(self, value: object, encoder: Encoder | None = None) -> None:
        """Write a value and everything within it, without recursion."""
        outer_depth = self.depth
        labels: list[Label] = []
        stack: list[Steps] = []
        try:
            known = self._known
            steps = (encoder or self._encoder_of(value))(self, value)
            if steps is not None:
                stack.append(steps)
            while stack:
                self.depth = outer_depth + len(stack)
                step = next(stack[-1], None)
                if step is None:
                    stack.pop()
                    if labels:
                        labels.pop()
                    continue
                labels.append(step[0])
                self.sink.flush_if_long()
                child = step[1]
                encoder = known.get(type(child)) or self._encoder_of(child)
                steps = encoder(self, child)
                if steps is None:
                    labels.pop()
                else:
                    stack.append(steps)
        except Unfingerprintable as error:
            where = "".join(map(_label_text, labels)) + error.path
            raise Unfingerprintable(error.reason, where) from error.__cause__
        except Entangled:
            raise
        except Exception as error:
            # An odd class may raise anything when it is looked at.
            where = "".join(map(_label_text, labels))
            reason = f"a value that raised {error!r} when it was read"
            raise Unfingerprintable(reason, where) from error
        finally:
            self.depth = outer_depth

    def _encoder_of(self, value: object) -> Encoder:
        encoder = self._known[type(value)] = self._encoders.of(type(value))
        return encoder

    def is_met(self, value: object) -> bool:
        """Give a thing with an identity its number, or write the one it has."""
        self.touched += 1
        key = id(value)
        number = self.numbers.get(key)
        if number is not None:
            self.write(b"R" + pack(number))
            return True
        if key in self.swallowed:
            raise Entangled
        self.numbers[key] = len(self.numbers)
        self.alive.append(value)
        return False

    def swallow(self, identities: set[int]) -> None:
        """Note the containers within a plain tree, none of which may be met again."""
        if not self.swallowed.isdisjoint(identities):
            raise Entangled
        if not self.numbers.keys().isdisjoint(identities):
            raise Entangled
        self.swallowed |= identities

    def write_code(self, value: object, shape: bytes) -> None:
        """Write a function or class by number, and its body later.

        Parameters
        ----------
        shape
            What tells it from other code without looking at what it refers to; it
            orders functions within a set.
        """
        key = id(value)
        number = self.codes.get(key)
        if number is None:
            number = self.codes[key] = len(self.bodies)
            self.bodies.append(value)
        self.write(b"C" + pack(number) + shape)

    def freeze(self, value: object, content: Callable[[], Steps]) -> Steps:
        """Write an immutable container: by content alone if it holds no identities.

        Two equal tuples of numbers are one; a tuple that holds a list is as much an
        individual as its list. Both are written once, however often they are shared.
        """
        key = id(value)
        known = self.frozen.get(key)
        if known is not None:
            self.write(known)
            return
        if key in self.numbers:
            self.touched += 1
            self.write(b"R" + pack(self.numbers[key]))
            return
        outer, touched = self.sink, self.touched
        self._redirect(Sink())
        try:
            yield from content()
        finally:
            inner = self.sink
            self._redirect(outer)
        written = b"F" + inner.digest()
        self.write(written)
        self.alive.append(value)
        if self.touched == touched:
            self.frozen[key] = written
        elif key not in self.numbers:
            self.numbers[key] = len(self.numbers)

    def _redirect(self, sink: Sink) -> None:
        self.sink = sink
        self.write = sink.write

    def write_members(self, members: "set[object] | frozenset[object]") -> None:
        """Write what a set holds, in an order that only its content decides.

        Each member is written as if it were the only one; the digests are sorted.
        What they number is then numbered in that order, so that sharing between the
        members and with the rest of the value is kept.
        """
        self._set_depth += 1
        accelerate, self.accelerate = self.accelerate, False
        try:
            written = [self._write_member(member) for member in members]
        finally:
            self._set_depth -= 1
            self.accelerate = accelerate
        count = Counter(member.digest for member in written)
        keyed = [
            (member.digest, self._tie_breaker(member, count), place)
            for place, member in enumerate(written)
        ]
        for *_, place in sorted(keyed):
            self._merge(written[place])

    def _write_member(self, value: object) -> _Member:
        if self._set_depth > 1:
            self._members += 1
        if self._members > self.MAX_NESTED_MEMBERS:
            raise Unfingerprintable("sets of objects that refer to one another")
        mark = _Mark(len(self.numbers), len(self.frozen), len(self.bodies))
        outer = self.sink
        self._redirect(Sink())
        try:
            self.visit(value)
            digest = self.sink.digest()
        finally:
            self._redirect(outer)
        identities = list(islice(self.numbers, mark.numbers, None))
        member = _Member(value, digest, identities, self.bodies[mark.codes :])
        self._roll_back(mark)
        return member

    def _tie_breaker(self, member: _Member, count: Counter[bytes]) -> bytes:
        # Closures made by one line look alike until their cells are read.
        is_alone = count[member.digest] == 1
        if is_alone or not member.codes or self._tie_depth >= self.MAX_TIE_DEPTH:
            return b""
        walk = Walk(self._encoders, accelerate=False, tie_depth=self._tie_depth + 1)
        return walk.run(member.value)

    def _merge(self, member: _Member) -> None:
        self.write(b"M" + member.digest)
        for key in member.identities:
            number = self.numbers.setdefault(key, len(self.numbers))
            self.write(pack(number))
        self.write(b"/")
        for code in member.codes:
            self.write_code(code, b"")

    def _roll_back(self, mark: _Mark) -> None:
        for table, length in ((self.numbers, mark.numbers), (self.frozen, mark.frozen)):
            while len(table) > length:
                table.popitem()
        for code in self.bodies[mark.codes :]:
            del self.codes[id(code)]
        del self.bodies[mark.codes :]


def _label_text(label: Label) -> str:
    return label if isinstance(label, str) else f"[{label[0]!r}]"
