"""One run in a graph: where it stands, and the attempts it took to get there."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from nborch.runs import RunRecord
from nborch.states import FINAL, StateType, is_last

__all__ = ["RunNode"]

_RUNNING = StateType.RUNNING.value
_FAILED = StateType.FAILED.value
# NB. As plain texts, which are found faster.
_FINAL = frozenset(kind.value for kind in FINAL)

#: A message in a graph shows at most this many letters; the details have all of it.
LONGEST = 300

#: Of a run that was tried more often, the last attempts are told.
MOST_ATTEMPTS = 100


class RunNode:
    """A run, folded from its events in their order.

    Parameters
    ----------
    data
        The run as JSON values.
    order
        Its place among the runs of the graph.
    """

    __slots__ = (
        "_attempt",
        "_begun",
        "_past",
        "_stood",
        "created",
        "ended",
        "id",
        "is_over",
        "is_told",
        "kind",
        "message",
        "name",
        "of",
        "order",
        "parent",
        "started",
        "state_details",
        "state_name",
        "type",
        "upstream",
    )

    def __init__(self, data: Mapping[str, Any], order: int) -> None:
        details = data["details"]
        self.id: str = data["id"]
        self.of: str = data["of"]
        self.kind: str = data["kind"]
        self.name: str = data["name"]
        self.parent: str | None = data["parent_id"]
        self.created: float = data["created"]
        self.order = order
        # NB. No more of it: there may be ten thousand, and the collector walks through
        # all that they hold.
        self.upstream: list[str] | None = details.get("upstream")
        self.type, self.state_name = "PENDING", "Pending"
        self.message: str | None = None
        self.state_details: Mapping[str, Any] | None = None
        #: Whether it has ended, and whether somebody was told of it.
        self.is_over = self.is_told = False
        self.started: float | None = None
        self.ended: float | None = None
        #: When it entered its state, and when its present attempt began.
        self._stood = 0.0
        self._begun: float | None = None
        self._attempt = 0
        #: The attempts before, if there were some: number, beginning, end.
        self._past: deque[tuple[int, float, float]] | None = None
        if "cell" in details:
            self.kind, self.name = "cell", details["label"]

    def enter(self, at: float, attempt: int, data: Mapping[str, Any]) -> bool:
        """Enter a state; tell whether it was not known yet.

        Events may come twice, and late: those of the past change nothing.
        """
        if self.is_over or at < self._stood:
            return False
        kind, name = data["type"], data["name"]
        if at == self._stood and name == self.state_name:
            return False
        self._stood = at
        if kind == _RUNNING:
            if self._begun is None:
                self.started = self._begun = at
                self._attempt = attempt
            elif attempt > self._attempt:
                self._begin_again(at, attempt)
            else:
                self.ended = None  # the same one, after a pause
        elif kind in _FINAL or is_last(kind, name):
            self.is_over = True
            self.ended = at
        elif self.type == _RUNNING:
            self.ended = at
        self.type, self.state_name = kind, name
        self.message, self.state_details = data["message"], data["details"]
        return True

    def _begin_again(self, at: float, attempt: int) -> None:
        """Begin another attempt, which ends the one before if nothing has."""
        begun = at if self._begun is None else self._begun
        if self._past is None:
            self._past = deque(maxlen=MOST_ATTEMPTS - 1)
        self._past.append((self._attempt, begun, self.ended or at))
        self._attempt, self._begun, self.ended = attempt, at, None

    def note(self, facts: Mapping[str, Any]) -> bool:
        """Take what became known of the run; tell whether that is to be seen."""
        upstream: list[str] | None = facts.get("upstream", self.upstream)
        is_seen = upstream != self.upstream
        self.upstream = upstream
        name = facts.get("name")
        if name is not None and name != self.name and self.kind != "cell":
            self.name = str(name)
            is_seen = True
        return is_seen

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
        for number, started, ended in self._past or ():
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
