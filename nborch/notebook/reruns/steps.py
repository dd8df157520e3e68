"""What ran in a kernel, one step after the other: cell tasks and plain cells.

Steps hold digests and texts, never values: what the user deletes is gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from nborch.cache.keys import digest
from nborch.notebook.analysis import CellAnalysis, analyse
from nborch.notebook.headers.header import Header
from nborch.notebook.ingredients import Ingredients

__all__ = ["UNNAMED", "CellRun", "Outcome", "PlainRun", "Step"]

#: The name of a cell task that was given none.
UNNAMED = Header().name


class Outcome(StrEnum):
    """What came of a cell task."""

    #: It ran, and its result was kept.
    RAN = "ran"
    #: Its result was restored.
    CACHED = "cached"
    #: It ran, and its result could not be kept.
    UNCACHED = "uncached"
    #: It raised.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CellRun:
    """One run of a cell task, as far as later ones are compared with it.

    Parameters
    ----------
    number
        Its place among the steps of the kernel, from 1; 0 for one of another kernel.
    cell
        The id that the front end gave the cell, if it did.
    reads
        The names that it may have read.
    made
        The digest of each name that it bound or changed; ``""`` if it is not known.
    defined
        Those among them that it imports or defines: they come of its code alone.
    files
        The traces of the files that it read or made.
    """

    number: int
    task: str
    cell: str | None
    header: str
    body: str
    outcome: Outcome
    reason: str | None = None
    ingredients: Ingredients | None = None
    reads: frozenset[str] = frozenset()
    made: Mapping[str, str] = field(default_factory=dict)
    defined: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    files: Sequence[Mapping[str, Any]] = ()
    key: str | None = None
    seconds: float = 0.0
    run_id: str = ""

    @property
    def identity(self) -> str:
        """What tells a cell from the others while its text is edited.

        That is the front end's id. Where there is none it is the name, or the text.
        """
        if self.cell:
            return f"id {self.cell}"
        if self.task != UNNAMED:
            return f"name {self.task}"
        return f"text {digest(self.body)}"

    @property
    def changes_inputs(self) -> frozenset[str]:
        """The names that it both read and made: another version of them."""
        return frozenset(self.reads & self.made.keys())

    def to_json(self) -> dict[str, Any]:
        """Return what later kernels compare with, as JSON values: digests and text."""
        told = self.ingredients
        return {
            "ingredients": told.to_json() if told is not None else None,
            "made": dict(self.made),
            "outcome": self.outcome.value,
            "reason": self.reason,
            "cell": self.cell,
            "header": self.header,
            "key": self.key,
        }

    @classmethod
    def from_json(cls, task: str, run_id: str, values: Mapping[str, Any]) -> Self:
        """Return the run of another kernel that `to_json` gave these values for."""
        told = values["ingredients"]
        return cls(
            number=0,
            task=task,
            cell=values["cell"],
            header=values["header"],
            body=told["text"] if told else "",
            outcome=Outcome(values["outcome"]),
            reason=values["reason"],
            ingredients=Ingredients.from_json(told) if told else None,
            made=values["made"],
            key=values["key"],
            run_id=run_id,
        )


@dataclass
class PlainRun:
    """One run of a cell without ``%%task``.

    Parameters
    ----------
    bound
        The names whose object is another one since.
    transformed
        Returns a text with its magics turned into calls.
    """

    number: int
    cell: str | None
    text: str
    bound: frozenset[str]
    gone: frozenset[str]
    transformed: Any = None

    @cached_property
    def analysis(self) -> CellAnalysis | None:
        """What its text reads and makes; None if that cannot be told."""
        text = self.text
        if text.lstrip().startswith("%%flow"):
            text = text.lstrip().partition("\n")[2]
        try:
            return analyse(self.transformed(text))
        except (SyntaxError, RecursionError, ValueError):
            return None

    @property
    def reads(self) -> frozenset[str]:
        """The names that it may have read."""
        return self.analysis.reads if self.analysis else frozenset()

    @property
    def makes(self) -> frozenset[str]:
        """The names that it bound, as seen and as its text tells."""
        told = self.analysis.writes if self.analysis else frozenset()
        return self.bound | told

    @property
    def mutates(self) -> frozenset[str]:
        """The names whose object its text changes in place."""
        return self.analysis.mutates if self.analysis else frozenset()


Step = CellRun | PlainRun
