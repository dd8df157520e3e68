"""Runs: one execution of a flow, a task, a cell or a notebook session."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from nborch.audience import looks_of
from nborch.showing import of_run
from nborch.states import State

__all__ = [
    "Run",
    "RunKind",
    "RunRecord",
    "flow_run_name",
    "new_id",
    "reseed",
    "task_run_name",
]

_ADJECTIVES = (
    "agile amber ample azure balmy bold brave breezy bright brisk calm candid clear "
    "clever coral cosmic cosy crimson crisp daring deft dreamy eager early elated "
    "fancy fearless fluent fond frosty gentle gilded glad golden graceful grand happy "
    "hardy hazel honest humble ivory jade jolly keen kind lively loyal lucid lucky "
    "mellow merry mighty mild misty modest nimble noble opal patient placid plucky "
    "polite proud quick quiet rapid ready robust rosy royal ruby rustic scarlet "
    "serene sharp silent silver sincere sleek smooth snowy solar spry stable steady "
    "stellar sturdy subtle sunny swift tender tidy topaz tranquil upbeat valiant "
    "velvet vivid warm wise witty young zesty"
).split()
_ANIMALS = (
    "alpaca antelope badger beaver bison bobcat buffalo camel caracal caribou cheetah "
    "cicada condor cougar coyote crane cricket curlew deer dingo dolphin dormouse "
    "dragonfly eagle egret eland elk ermine falcon ferret finch firefly flamingo fox "
    "gannet gazelle gecko gibbon goose gopher grouse gull hamster hare hawk hedgehog "
    "heron hornet ibex ibis iguana impala jackal jaguar kestrel kingfisher koala "
    "lark lemur leopard linnet lion lizard llama lynx magpie marmot marten meerkat "
    "mole mongoose moose narwhal newt ocelot octopus oriole osprey otter owl oyster "
    "panda panther partridge pelican penguin petrel pheasant plover pony porpoise "
    "puffin puma quail rabbit raccoon raven robin salmon sandpiper seal sparrow "
    "squirrel starling stork swallow swan swift tapir tern thrush tiger toucan trout "
    "turtle viper walrus weasel whale wolf wombat woodpecker wren yak zebra"
).split()

# NB. A generator of our own: the user may seed the global one, and must not see it
# advance. The system's would let other threads run at every number.
_random = random.Random()


def reseed() -> None:
    """Draw other random numbers than the process that this one was forked from."""
    _random.seed()


def new_id(at: float) -> str:
    """Return a new run id (UUID version 7), sorted by its time `at` in seconds.

    The 12 bits after the version are the fraction of the millisecond (RFC 9562,
    6.2, method 3), so that ids sort by time to a quarter of a microsecond.

    >>> new_id(0.0)[:18]
    '00000000-0000-7000'
    """
    milliseconds, fraction = divmod(int(at * 4_096_000), 4096)
    text = (
        f"{milliseconds:012x}7{fraction:03x}{0x2 << 62 | _random.getrandbits(62):016x}"
    )
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def flow_run_name() -> str:
    """Return a name for a flow run, such as ``nimble-falcon``."""
    return f"{_random.choice(_ADJECTIVES)}-{_random.choice(_ANIMALS)}"


def task_run_name(task: str) -> str:
    """Return a name for a run of `task`, such as ``clean-83f``."""
    return f"{task}-{_random.getrandbits(12):03x}"


class RunKind(StrEnum):
    """What it is that runs."""

    #: A flow: a function under ``@flow``, or a notebook.
    FLOW = "flow"
    #: A task: a function under ``@task``, or a cell.
    TASK = "task"
    #: A notebook's kernel, for as long as a person works in it.
    SESSION = "session"

    @property
    def logger(self) -> str:
        """The name of the logger of such runs."""
        return "nborch.task_runs" if self is RunKind.TASK else "nborch.flow_runs"


@dataclass(frozen=True, slots=True)
class Run:
    """What is fixed about a run when it is made.

    Parameters
    ----------
    id
        UUID version 7 as text: runs sort by when they were made.
    of
        The name of the flow or task.
    name
        The run's own name.
    parent_id
        The run within which it was made, if any.
    process
        Which process answers for it; see `nborch.leasing`.
    details
        Further facts as JSON values: parameters, tags, notebook, output.
    """

    id: str
    kind: RunKind
    of: str
    name: str
    created: datetime
    process: str
    parent_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def flow_name(self) -> str:
        """The name of the flow, as hooks know it."""
        return self.of

    @property
    def task_name(self) -> str:
        """The name of the task, as hooks know it."""
        return self.of

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the run was called with, as JSON values."""
        return self.details.get("parameters", {})  # type: ignore[no-any-return]  # JSON

    @property
    def tags(self) -> frozenset[str]:
        """The run's tags."""
        return frozenset(self.details.get("tags", ()))

    def to_json(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        return {
            "id": self.id,
            "kind": self.kind._value_,
            "of": self.of,
            "name": self.name,
            "created": self.created.timestamp(),
            "process": self.process,
            "parent_id": self.parent_id,
            "details": {**self.details},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the run that `to_json` gave these values for."""
        created = datetime.fromtimestamp(values["created"], UTC)
        kind = RunKind(values["kind"])
        return cls(**{**values, "kind": kind, "created": created})


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the store knows it: what is fixed, and where it stands.

    Parameters
    ----------
    attempt
        The number of calls so far; it fences off late reports of earlier ones.
    started, ended
        When it first ran and when it reached its last state.
    """

    run: Run
    state: State
    attempt: int = 0
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def seconds(self) -> float | None:
        """How long it ran, or None if it has not ended."""
        if self.ended is None:
            return None
        return (self.ended - (self.started or self.ended)).total_seconds()

    def entered(self, state: State, attempt: int) -> Self:
        """Return the record after the run has entered `state`."""
        started = self.started
        if started is None and state.is_running():
            started = state.timestamp
        ended = state.timestamp if state.is_over() else self.ended
        return replace(self, state=state, attempt=attempt, started=started, ended=ended)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        run, state = self.run, self.state
        card: dict[str, Any] = of_run(
            run.kind,
            run.name,
            run.of,
            (state.type, state.name),
            message=state.message,
            seconds=self.seconds,
            parameters=run.parameters,
            tags=run.tags,
        )
        return card | (looks_of(self) or {})

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {
            **self.run.to_json(),
            "state": self.state.to_json(),
            "attempt": self.attempt,
            "started": self.started and self.started.timestamp(),
            "ended": self.ended and self.ended.timestamp(),
        }
