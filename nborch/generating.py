"""The drivers for generators: perform a lifecycle and hand on what the function yields.

The run lasts from the first item that is asked for until the last, or until nobody
asks any more. It is the current run only while an item is being made.
"""

import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any

from nborch.awaiting import Awaiting
from nborch.blocking import Blocking
from nborch.context import current_run
from nborch.deadlines import door
from nborch.exceptions import CacheWarning, Unfingerprintable
from nborch.lifecycle import Raised, Returned, Steps
from nborch.performing import Performer, act, raised
from nborch.states import State

__all__ = [
    "Asked",
    "Item",
    "LeftOff",
    "Yielded",
    "generate",
    "generate_async",
    "listed",
    "listed_async",
]


class Yielded(list[Any]):
    """All that a generator has yielded, and what it returned.

    A plain list stands for this where it returned nothing.
    """

    value: Any = None


def _whole(items: list[Any], value: Any) -> list[Any]:
    """Return what is kept of a generator's run, and what a submitted one returns."""
    if value is None:
        return items
    whole = Yielded(items)
    whole.value = value
    return whole


def listed(function: Callable[[], Generator[Any, Any, Any]]) -> Callable[[], list[Any]]:
    """Return a function that lists what a generator function yields."""

    def call() -> list[Any]:
        items: list[Any] = []
        generator = function()
        try:
            while True:
                items.append(Asked().of(generator))
        except StopIteration as end:
            return _whole(items, end.value)

    return call


def listed_async(
    function: Callable[[], AsyncGenerator[Any, Any]],
) -> Callable[[], Awaitable[list[Any]]]:
    """Return an async function that lists what an async generator function yields."""

    async def call() -> list[Any]:
        return [item async for item in function()]

    return call


@dataclass(slots=True)
class Item:
    """An item on its way out, through the coroutine that performs the run."""

    value: Any

    def __await__(self) -> Generator["Item", Any, Any]:
        return (yield self)


class LeftOff(BaseException):
    """The consumer has left off.

    In place of GeneratorExit, which would close the coroutine that performs the run.
    """


#: What cannot be changed once it was yielded.
_FIXED = frozenset({int, float, str, bytes, bool, type(None)})


def _digest(item: Any) -> object:
    """Return what tells whether an item has been changed, None if none can be."""
    if type(item) in _FIXED:
        return None
    # Who keeps no results need not load what compares them (law 7).
    from nborch.cache.fingerprints import fingerprint

    try:
        return fingerprint(item)
    except Unfingerprintable:
        return object()  # equal to no other


def _asked_to(error: BaseException) -> "Asked":
    """Return what is asked of a generator by what its consumer has raised in it."""
    return Asked(error=GeneratorExit() if isinstance(error, LeftOff) else error)


def _passed_on(error: BaseException) -> "Asked":
    """Return the same for the coroutine that performs the run."""
    return Asked(error=LeftOff() if isinstance(error, GeneratorExit) else error)


@dataclass(slots=True)
class Asked:
    """What the consumer of a generator asks for: to go on with this, or to end."""

    sent: Any = None
    error: BaseException | None = None

    @door
    def of(self, generator: Generator[Any, Any, Any]) -> Any:
        """Ask a generator or coroutine for it."""
        if self.error is not None:
            return generator.throw(self.error)
        return generator.send(self.sent)

    async def of_async(self, generator: AsyncGenerator[Any, Any]) -> Any:
        """Ask an async generator for it."""
        if self.error is not None:
            return await generator.athrow(self.error)
        return await generator.asend(self.sent)


class _Stepwise:
    """What the attempts of a generator's run have in common."""

    def __init__(self, performer: Performer, limit: Callable[..., Any] | None) -> None:
        spec = performer.context.spec
        self._performer = performer
        self._items: list[Any] | None = [] if spec.reuses else None
        self._digests: list[object] = []
        self._limit = limit
        self._left = spec.timeout or 0.0
        self._seconds = 0.0
        self._handed = False

    def _begin(self) -> None:
        self._seconds = 0.0
        self._digests = []
        if self._items is not None:
            self._items = []

    def _made(self, item: Any, since: float) -> None:
        self._seconds += time.perf_counter() - since
        self._handed = True
        if self._items is not None:
            self._items.append(item)
            recall = self._performer.recall
            if recall is not None and recall.key is not None:
                self._digests.append(_digest(item))

    def _returned(self, value: Any, asked: Asked) -> Returned:
        if isinstance(asked.error, GeneratorExit):
            return self._left_off()
        if self._items is None:
            return Returned(value, self._seconds)
        whole = _whole(self._items, value)
        return Returned(whole, self._seconds, whole=self._is_as_yielded())

    def _is_as_yielded(self) -> bool:
        """Tell whether a later run would get the items that this one handed out."""
        for number, (item, digest) in enumerate(
            zip(self._items or (), self._digests, strict=False), 1
        ):
            if digest is not None and _digest(item) != digest:
                name = self._performer.context.spec.name
                warnings.warn(
                    f"The items of task {name!r} were not kept: number {number} was "
                    "changed after it was yielded, or cannot be compared.",
                    CacheWarning,
                    stacklevel=2,
                )
                return False
        return True

    def _left_off(self) -> Returned:
        # Nobody wants more of it: it has done what it was to do.
        return Returned(None, self._seconds, whole=False)

    def _raised(self, error: BaseException) -> Raised:
        told = raised(error)
        return Raised(told.error, again=told.again and not self._handed)


class _Yielding(_Stepwise, Blocking):
    """Call a generator function, and hand its items out."""

    def __init__(
        self,
        performer: Performer,
        function: Callable[[], Generator[Any, Any, Any]],
        limit: Callable[..., Any] | None,
    ) -> None:
        _Stepwise.__init__(self, performer, limit)
        Blocking.__init__(self, function)

    async def call(self) -> Returned | Raised:
        """Run the generator to its end."""
        self._begin()
        asked = Asked()
        try:
            generator = self.function()
            while True:
                since = time.perf_counter()
                item = self._next(asked, generator)
                self._made(item, since)
                try:
                    asked = Asked(await Item(item))
                except BaseException as error:  # noqa: BLE001  # it is the generator's
                    asked = _asked_to(error)
        except StopIteration as end:
            return self._returned(end.value, asked)
        except GeneratorExit:
            return self._left_off()
        except BaseException as error:  # noqa: BLE001  # the lifecycle decides
            return self._raised(error)

    def _next(self, asked: Asked, generator: Generator[Any, Any, Any]) -> Any:
        if self._limit is None:
            return asked.of(generator)
        ended: list[StopIteration] = []

        def step() -> Any:
            try:
                return asked.of(generator)
            except StopIteration as end:
                ended.append(end)  # it could not pass through a thread's future
                return None

        item = self._limit(step, self._left - self._seconds)
        if ended:
            raise ended[0]
        return item


class _YieldingAsync(_Stepwise, Awaiting):
    """Call an async generator function, and hand its items out."""

    def __init__(
        self,
        performer: Performer,
        function: Callable[[], AsyncGenerator[Any, Any]],
        limit: Callable[..., Any] | None,
    ) -> None:
        _Stepwise.__init__(self, performer, limit)
        Awaiting.__init__(self, function)  # type: ignore[arg-type]  # it is not awaited

    async def call(self) -> Returned | Raised:
        """Run the generator to its end."""
        self._begin()
        asked = Asked()
        try:
            generator: Any = self.function()
            while True:
                since = time.perf_counter()
                item = await self._next(asked, generator)
                self._made(item, since)
                try:
                    asked = Asked(await Item(item))
                except BaseException as error:  # noqa: BLE001  # it is the generator's
                    asked = _asked_to(error)
        except StopAsyncIteration:
            return self._returned(None, asked)
        except GeneratorExit:
            return self._left_off()
        except BaseException as error:  # noqa: BLE001  # the lifecycle decides
            return self._raised(error)

    async def _next(self, asked: Asked, generator: AsyncGenerator[Any, Any]) -> Any:
        if self._limit is None:
            return await asked.of_async(generator)
        left = self._left - self._seconds
        return await self._limit(lambda: asked.of_async(generator), left)


def generate(
    steps: Steps,
    performer: Performer,
    function: Callable[[], Generator[Any, Any, Any]],
    limit: Callable[..., Any] | None = None,
) -> Generator[Any, Any, State]:
    """Perform the steps of a run, yield its items; return its last state.

    Parameters
    ----------
    limit
        Called with a function and the seconds that it may take, if they are limited.
    """
    running = act(steps, performer, _Yielding(performer, function, limit))
    asked = Asked()
    while True:
        around = current_run.set(performer.context)
        try:
            item = asked.of(running)  # type: ignore[arg-type]  # a coroutine is asked alike
        except StopIteration as end:
            state: State = end.value
            break
        finally:
            current_run.reset(around)
        try:
            asked = Asked((yield item.value))
        except BaseException as error:  # noqa: BLE001  # it is the generator's
            asked = _passed_on(error)
    if state.name == "Cached":
        yield from state.data
    return state


async def generate_async(
    steps: Steps,
    performer: Performer,
    function: Callable[[], AsyncGenerator[Any, Any]],
    limit: Callable[..., Any] | None = None,
) -> AsyncGenerator[Any, Any]:
    """Perform the steps of a run, yield each `Item` and then the run's last state.

    An async generator cannot return it.
    """
    running = act(steps, performer, _YieldingAsync(performer, function, limit))
    asked = Asked()
    while True:
        around = current_run.set(performer.context)
        try:
            item = await _Stretch(running, asked)
        except _Over as end:
            state = end.state
            break
        finally:
            current_run.reset(around)
        try:
            asked = Asked((yield item))
        except BaseException as error:  # noqa: BLE001  # it is the generator's
            asked = _passed_on(error)
    if state.name == "Cached":
        for each in state.data:
            yield Item(each)
    yield state


class _Over(Exception):  # it is no error
    """The run has ended."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state


@dataclass(slots=True)
class _Stretch:
    """Run a coroutine until it hands out an item; pass on what the loop is to do."""

    running: Any
    asked: Asked

    def __await__(self) -> Generator[Any, Any, Item]:
        asked = self.asked
        while True:
            try:
                wish = asked.of(self.running)
            except StopIteration as end:
                raise _Over(end.value) from None
            if isinstance(wish, Item):
                return wish
            try:
                asked = Asked((yield wish))
            except BaseException as error:  # noqa: BLE001  # cancelled, or closed
                asked = Asked(error=error)
