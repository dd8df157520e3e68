"""One run in a graph: where it stands, and the attempts it took to get there."""

from collections.abc import Iterator, Mapping
from typing import Any

from nborch.runs import RunRecord
from nborch.states import StateType, is_last

__all__ = ["RunNode"]

_RUNNING = StateType.RUNNING.value
_COMPLETED = StateType.COMPLETED.value
_FAILED = StateType.FAILED.value

#: A message in a graph shows at most this many letters; the details have all of it.
LONGEST = 300


class RunNode:
    """A run, folded from its events in their order.

    Parameters
    ----------
    data
        The run as JSON values.
    order
        Its place among the runs of the graph.
    """

    # NB. As long as it is nothing else, each of these is the class's own: one is made
    # for every call of a task that is looked at.
    type = "PENDING"
    state_name = "Pending"
    message: str | None = None
    state_details: Mapping[str, Any] | None = None
    is_over = False
    started: float | None = None
    ended: float | None = None
    #: Whether somebody was told of it.
    is_told = False
    #: When it entered its state, and when its present attempt began.
    _stood = 0.0
    _begun: float | None = None
    _attempt = 0
    #: The attempts before: number, beginning, end.
    _past: tuple[tuple[int, float, float], ...] = ()

    def __init__(self, data: Mapping[str, Any], order: int) -> None:
        details = data["details"]
        self.id: str = data["id"]
        self.of: str = data["of"]
        self.parent: str | None = data["parent_id"]
        self.created: float = data["created"]
        self.order = order
        # NB. No more of it: there may be ten thousand, and the collector walks through
        # all that they hold.
        self.upstream: list[str] | None = details.get("upstream")
        self.kind: str = "cell" if "cell" in details else data["kind"]
        self.name: str = details["label"] if "cell" in details else data["name"]

    def enter(self, at: float, attempt: int, data: Mapping[str, Any]) -> bool:
        """Enter a state; tell whether it was not known yet.

        Events may come twice, and late: those of the past change nothing.
        """
        kind, name = data["type"], data["name"]
        if self.is_over or at < self._stood:
            return False
        if at == self._stood and name == self.state_name:
            return False
        if kind == _RUNNING:
            self._begin(at, attempt)
        elif self._begun is not None and self.type == _RUNNING:
            self.ended = at
        self._stood, self.type, self.state_name = at, kind, name
        self.message, self.state_details = data["message"], data["details"] or None
        if is_last(kind, name):
            self.is_over = True
            self.ended = at
        return True

    def _begin(self, at: float, attempt: int) -> None:
        """Begin an attempt, which ends the one before if nothing has."""
        begun = self._begun
        if begun is None:
            self.started = at
        elif attempt > self._attempt:
            self._past += ((self._attempt, begun, self.ended or at),)
        else:
            return  # the same attempt, after a pause
        self._attempt, self._begun, self.ended = attempt, at, None

    def note(self, facts: Mapping[str, Any]) -> bool:
        """Take what became known of the run; tell whether that is to be seen."""
        name = facts.get("name")
        if name is None or name == self.name or self.kind == "cell":
            return False
        self.name = str(name)
        return True

    def stand(self, record: RunRecord) -> None:
        """Take where the run stands now, as a store tells it."""
        self.note({"name": record.run.name})
        state, started = record.state, record.started
        if started is not None and self._begun is None:
            self._attempt, self._begun = record.attempt, started.timestamp()
            self.started = self._begun
        if state.timestamp is not None:
            self.enter(state.timestamp.timestamp(), record.attempt, state.to_json())

    def attempts(self) -> Iterator[dict[str, Any]]:
        """Yield its attempts, with how each ended."""
        for number, started, ended in self._past:
            yield {
                "n": number,
                "started": started,
                "ended": ended,
                "type": _FAILED,
                "name": "Failed",
            }
        if self._begun is not None:
            waits = not self.is_over and self.type != _RUNNING
            yield {
                "n": self._attempt,
                "started": self._begun,
                "ended": self.ended,
                # It waits for the next one: this one has failed.
                "type": _FAILED if waits else self.type,
                "name": "Failed" if waits else self.state_name,
            }

    def told(self, expected: float | None = None) -> dict[str, Any]:
        """Return the node as JSON values, without what is null or empty.

        Parameters
        ----------
        expected
            The seconds that it takes as a rule.
        """
        state = {"type": self.type, "name": self.state_name}
        if self.message is not None:
            state["message"] = _short(self.message)
        told: dict[str, Any] = {
            "id": self.id,
            "kind": self.kind,
            "of": self.of,
            "name": self.name,
            "parent": self.parent,
            "order": self.order,
            "state": state,
            "created": self.created,
        }
        if self.upstream:
            told["upstream"] = self.upstream
        if self.started is not None:
            told["started"] = self.started
        if self.is_over:
            told["ended"] = self.ended
        elif expected is not None:
            told["expected_seconds"] = expected
        # NB. One alone says nothing that the node does not: most have one.
        if self._past or (self.ended is not None and not self.is_over):
            told["attempts"] = list(self.attempts())
        if self.state_details:
            for name in ("saved_seconds", "source_run"):
                if name in self.state_details:
                    told[name] = self.state_details[name]
        return told


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
