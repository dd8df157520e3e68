"""Sketching: what a flow would run, found by running its body without its tasks.

Each task called meanwhile draws a box and returns at once: its ``viz_return_value``,
or a stand-in that shows where it is passed on.
"""

import inspect
import typing
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import fields, is_dataclass
from typing import Any

from nborch.annotations import Annotation, opaque, quote
from nborch.exceptions import FlowVisualizationError
from nborch.futures import Future, FutureList
from nborch.logs import disable_run_logger
from nborch.runs import RunKind
from nborch.standins import StandIn
from nborch.states import State, StateType

__all__ = ["Sketch", "current_sketch", "sketched", "sketched_async"]

#: More boxes than this come of a loop that does not end without its tasks.
MOST = 10_000

TIMES = "\N{MULTIPLICATION SIGN}"

_HINT = (
    "This came up while the flow was visualized: its own code runs, its tasks do not. "
    "If the code works with the result of a task, give an example of that: "
    "@task(viz_return_value=[1, 2, 3])."
)


class Sketch:
    """What a flow would run: a picture in a notebook, Mermaid's text when printed.

    Get one from ``flow.visualize()``.

    Parameters
    ----------
    title
        What it is a picture of.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._boxes: list[tuple[str, str, bool]] = []
        self._arrows: dict[tuple[str, str], None] = {}
        self._counts: Counter[str] = Counter()
        # By identity; the values are held so that no other gets theirs.
        self._origins: dict[int, tuple[str, object]] = {}

    def note(
        self,
        declared: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        kind: str = "call",
    ) -> Any:
        """Draw a task or flow that is called; return what stands for its result.

        Parameters
        ----------
        kind
            ``call``, ``submit`` or ``map``: whether a value, a future or a list of
            futures is asked for.
        """
        options = dict(kwargs)
        returns_state = bool(options.pop("return_state", False))
        upstream = [*args, *options.values()]
        times, number = None, None
        if kind == "map":
            options.pop("wait_for", None)
            options.pop("deferred", None)
            number = _number_of([*args, *options.values()])
            times = "n" if number is None else str(number)
        box = self._draw(declared, upstream, times)

        def ending() -> State:
            return State(
                type=StateType.COMPLETED, data=self._result(declared, box), run_id=box
            )

        if kind == "map":
            ends = [ending() for _ in range(1 if number is None else number)]
            return ends if returns_state else FutureList(_future(box, e) for e in ends)
        end = ending()
        if kind == "submit":
            return end if returns_state else _future(box, end)
        value = end if returns_state else end.data
        return _given(value) if declared.isasync else value

    # A program that visualizes nothing need not load what draws (law 7).

    @property
    def diagram(self) -> Any:
        """The boxes and arrows as a `nborch.diagrams.Diagram`."""
        from nborch.diagrams import Box, Diagram

        boxes = [Box(name, label, is_flow=flow) for name, label, flow in self._boxes]
        return Diagram(boxes, tuple(self._arrows))

    @property
    def svg(self) -> str:
        """The picture as SVG, to be written to a file."""
        from nborch.pictures import svg

        return svg(self.diagram, self.title)

    def __str__(self) -> str:
        return str(self.diagram.mermaid())

    def __repr__(self) -> str:
        return f"<Sketch of {self.title!r}: {len(self._boxes)} calls>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return the picture in the forms that front ends show."""
        from nborch.pictures import bundle

        return bundle(self.diagram, self.title)

    def _draw(self, declared: Any, upstream: Iterable[Any], times: str | None) -> str:
        """Draw a box with arrows from all that it gets something from."""
        if len(self._boxes) >= MOST:
            raise FlowVisualizationError(
                f"The flow called {MOST} tasks while it was visualized, which none of "
                "them ran. Look for a loop that ends only by a task's result."
            )
        name = declared.name
        box = f"{name}-{self._counts[name]}"
        self._counts[name] += 1
        label = box if times is None else f"{box} {TIMES} {times}"
        self._boxes.append((box, label, declared.spec.kind is RunKind.FLOW))
        for value in upstream:
            for origin in self._origins_in(value):
                self._arrows[origin, box] = None
        return box

    def _result(self, declared: Any, box: str) -> Any:
        """Return what a task would: its example, known again where it is passed on."""
        example = getattr(declared, "viz_return_value", None)
        if example is None:
            return StandIn((box,), declared.name, _size(declared.fn))
        value = _anew(example)
        self._remember(value, box)
        return value

    def _remember(self, value: Any, box: str) -> None:
        """Take a value and those in it for results of a box."""
        # Python has one of each of these, whoever made it.
        if value is None or isinstance(value, bool | int) or value in ((), ""):
            return
        self._origins[id(value)] = (box, value)
        for item in _items(value):
            self._remember(item, box)

    def _origins_in(self, value: Any) -> Iterator[str]:
        """Yield the boxes that a value, or what it holds, comes from."""
        known = self._origins.get(id(value))
        if known is not None:
            yield known[0]
        elif isinstance(value, StandIn):
            yield from value._nborch_origins  # noqa: SLF001  # our own
        elif isinstance(value, Future):
            yield value.task_run_id
        elif isinstance(value, State) and value.run_id is not None:
            yield value.run_id
        elif isinstance(value, Annotation):
            if not isinstance(value, quote | opaque):
                yield from self._origins_in(value.unwrap())
        else:
            for item in _items(value):
                yield from self._origins_in(item)


#: The sketch that tasks called here draw in, if a flow is being visualized.
current_sketch: ContextVar[Sketch | None] = ContextVar("nborch_sketch", default=None)


def sketched(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Sketch:
    """Return the sketch of a flow's function, plain or async, called so.

    Raises
    ------
    VisualizationUnsupportedError
        It needs to know the result of a task.
    """
    if not (inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)):
        with _drawing(_title(fn)) as sketch:
            made = fn(*args, **kwargs)
            if inspect.isgenerator(made):
                for _ in made:
                    pass
        return sketch
    return _awaited(sketched_async(fn, args, kwargs))


async def sketched_async(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Sketch:
    """Do for an async function what `sketched` does, in the running event loop."""
    with _drawing(_title(fn)) as sketch:
        made = fn(*args, **kwargs)
        if inspect.isasyncgen(made):
            async for _ in made:
                pass
        elif inspect.isawaitable(made):
            await made
    return sketch


@contextmanager
def _drawing(title: str) -> Iterator[Sketch]:
    """Let tasks called in the block draw instead of run."""
    sketch = Sketch(title)
    token = current_sketch.set(sketch)
    try:
        with disable_run_logger():
            yield sketch
    except FlowVisualizationError:
        raise
    except Exception as error:
        error.add_note(_HINT)
        raise
    finally:
        current_sketch.reset(token)


def _title(fn: Callable[..., Any]) -> str:
    return str(getattr(fn, "__name__", type(fn).__name__))


def _awaited(sketching: Coroutine[Any, Any, Sketch]) -> Sketch:
    """Return what an async sketch comes to; in a notebook the loop is taken."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, sketching).result()


async def _given(value: Any) -> Any:
    return value


def _future(box: str, end: State) -> Future[Any]:
    future: Future[Any] = Future(box, box, lambda: None)
    future.end(end)
    return future


def _number_of(values: Iterable[Any]) -> int | None:
    """Return how many runs a `map` makes, or None if the sketch cannot know."""
    for value in values:
        if isinstance(value, Future):
            value = value.result()  # noqa: PLW2901  # what it stands for
        if isinstance(value, StandIn | str | bytes | dict):
            continue
        if hasattr(value, "__len__"):
            return len(value)
    return None


def _size(fn: Callable[..., Any]) -> int | None:
    """Return how many items a function says that it returns: of ``tuple[int, str]``."""
    try:
        told = typing.get_type_hints(fn).get("return")
    except Exception:  # noqa: BLE001  # an annotation may be any text
        return None
    items = typing.get_args(told)
    if typing.get_origin(told) is tuple and ... not in items:
        return len(items)
    return None


def _items(value: Any) -> Iterable[Any]:
    """Return what a plain container holds."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, f.name) for f in fields(value) if hasattr(value, f.name)]
    return ()


def _anew(value: Any) -> Any:
    """Return an equal value of its own, so that it is known from all equal ones."""
    kind = type(value)
    if kind is list or kind is tuple:
        return kind(map(_anew, value))
    if kind is dict:
        return {_anew(key): _anew(item) for key, item in value.items()}
    if kind is set:
        return set(map(_anew, value))
    # Python may share texts that it has read in a program.
    return f"{value} "[:-1] if kind is str else value
