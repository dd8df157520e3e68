"""What the call of a generator function returns: its items, or its run's state."""

from collections.abc import Awaitable
from typing import Any

from nborch.calling import Call, ending, write_down
from nborch.generating import Item, LeftOff, generate, generate_async
from nborch.states import State

__all__ = ["run_generator"]


def run_generator(call: Call, *, return_state: bool) -> Any:
    """Return what hands out the items, or the state once they are all made."""
    if call.callee.yields_async:
        items = _yield_async(call)
        return _state_in_the_end(items, call) if return_state else items
    if not return_state:
        return _yield(call)
    for _ in _yield(call, raises=False):
        pass
    return call.context.state


def _yield(call: Call, *, raises: bool = True) -> Any:
    __tracebackhide__ = True
    limit = call.limit()
    driver = generate(call.steps(), call.performer, call.body, limit)
    try:
        state = yield from driver
    except GeneratorExit:
        write_down(call.context)
        raise
    error = ending(call.context, state, return_state=not raises)
    if error is not None:
        try:
            raise error
        finally:
            call.forget()
            del error, state
    # Where results are kept, the items are the run's.
    return getattr(state.data, "value", None) if call.spec.reuses else state.data


async def _yield_async(call: Call, *, raises: bool = True) -> Any:
    __tracebackhide__ = True
    limit = call.limit()
    driver = generate_async(call.steps(), call.performer, call.body, limit)
    ask: Awaitable[Any] = driver.asend(None)
    while isinstance(item := await ask, Item):
        try:
            ask = driver.asend((yield item.value))
        except GeneratorExit:
            await driver.athrow(LeftOff())
            await driver.aclose()
            write_down(call.context)
            raise
        except BaseException as error:  # noqa: BLE001  # it is the generator's
            ask = driver.athrow(error)
    await driver.aclose()
    failure = ending(call.context, item, return_state=not raises)
    if failure is not None:
        try:
            raise failure
        finally:
            call.forget()
            del failure, item


async def _state_in_the_end(items: Any, call: Call) -> State | None:
    try:
        async for _ in items:
            pass
    except Exception:
        if call.context.state is None or not call.context.state.is_final():
            raise
    return call.context.state
