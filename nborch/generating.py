"""The drivers for generators: perform a lifecycle and hand on what the function yields.

The run lasts from the first item that is asked for until the last, or until nobody
asks any more. It is the current run only while an item is being made.
"""

import time
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from typing import Any

from nborch.awaiting import Awaiting
from nborch.blocking import Blocking
from nborch.context import current_run
from nborch.lifecycle import Raised, Returned, Steps
from nborch.performing import Performer, act, raised
from nborch.states import State

__all__ = ["Yielded", "generate", "generate_async"]


@dataclass(frozen=True, slots=True)
class Yielded:
    """All that a generator has yielded, and what it returned: what is kept of it."""

    items: list[Any]
    value: Any = None


@dataclass(slots=True)
class _Item:
    """An item on its way out, through the coroutine that performs the run."""

    value: Any

    def __await__(self) -> Generator["_Item", Any, Any]:
        return (yield self)


@dataclass(slots=True)
class _Asked:
    """What the consumer of a generator asks for: to go on with this, or to end."""

    sent: Any = None
    error: BaseException | None = None

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
        self._items: list[Any] | None = [] if spec.reuses else None
        self._limit = limit
        self._left = spec.timeout or 0.0
        self._seconds = 0.0
        self._handed = False

    def _begin(self) -> None:
        self._seconds = 0.0
        if self._items is not None:
            self._items = []

    def _made(self, item: Any, since: float) -> None:
        self._seconds += time.perf_counter() - since
        self._handed = True
        if self._items is not None:
            self._items.append(item)

    def _returned(self, value: Any, asked: _Asked) -> Returned:
        if isinstance(asked.error, GeneratorExit):
            return self._left_off()
        if self._items is not None:
            value = Yielded(self._items, value)
        return Returned(value, self._seconds)

    def _left_off(self) -> Returned:
        # Nobody wants more of it: it has done what it was to do.
        return Returned(None, self._seconds, whole=False)

    def _raised(self, error: BaseException) -> Raised:
        return Raised(raised(error).error, again=not self._handed)


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
        asked = _Asked()
        try:
            generator = self.function()
            while True:
                since = time.perf_counter()
                item = self._next(asked, generator)
                self._made(item, since)
                try:
                    asked = _Asked(await _Item(item))
                except BaseException as error:  # noqa: BLE001  # it is the generator's
                    asked = _Asked(error=error)
        except StopIteration as end:
            return self._returned(end.value, asked)
        except GeneratorExit:
            return self._left_off()
        except BaseException as error:  # noqa: BLE001  # the lifecycle decides
            return self._raised(error)

    def _next(self, asked: _Asked, generator: Generator[Any, Any, Any]) -> Any:
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
        asked = _Asked()
        try:
            generator: Any = self.function()
            while True:
                since = time.perf_counter()
                item = await self._next(asked, generator)
                self._made(item, since)
                try:
                    asked = _Asked(await _Item(item))
                except BaseException as error:  # noqa: BLE001  # it is the generator's
                    asked = _Asked(error=error)
        except StopAsyncIteration:
            return self._returned(None, asked)
        except GeneratorExit:
            return self._left_off()
        except BaseException as error:  # noqa: BLE001  # the lifecycle decides
            return self._raised(error)

    async def _next(self, asked: _Asked, generator: AsyncGenerator[Any, Any]) -> Any:
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
    asked = _Asked()
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
            asked = _Asked((yield item.value))
        except BaseException as error:  # noqa: BLE001  # it is the generator's
            asked = _Asked(error=error)
    if state.name == "Cached":
        yield from state.data.items
    return state


async def generate_async(
    steps: Steps,
    performer: Performer,
    function: Callable[[], AsyncGenerator[Any, Any]],
    limit: Callable[..., Any] | None = None,
) -> AsyncGenerator[Any, Any]:
    """Perform the steps of a run and yield its items; its last state is the last item.

    An async generator cannot return it.
    """
    running = act(steps, performer, _YieldingAsync(performer, function, limit))
    asked = _Asked()
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
            asked = _Asked((yield item.value))
        except BaseException as error:  # noqa: BLE001  # it is the generator's
            asked = _Asked(error=error)
    if state.name == "Cached":
        for item in state.data.items:
            yield item
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
    asked: _Asked

    def __await__(self) -> Generator[Any, Any, _Item]:
        asked = self.asked
        while True:
            try:
                wish = asked.of(self.running)
            except StopIteration as end:
                raise _Over(end.value) from None
            if isinstance(wish, _Item):
                return wish
            try:
                asked = _Asked((yield wish))
            except BaseException as error:  # noqa: BLE001  # cancelled, or closed
                asked = _Asked(error=error)
