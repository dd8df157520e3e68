"""Orders: what the process of a run is told, in a file in the run's own folder."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from nborch.runs import Run

__all__ = ["ORDER", "OUTPUT", "Order"]

#: The file with the order, and the one that gets what the run prints.
ORDER, OUTPUT = "run.json", "output.log"


@dataclass(frozen=True, slots=True)
class Order:
    """A run that is to be executed, and where its code is.

    Parameters
    ----------
    attempt
        Under which number the worker holds it.
    home
        The folder in which it is recorded.
    worker_id
        Who holds the run.
    hooks_only
        Whether the run is over, its process could not call the hooks of its end, and
        this one is to do only that.
    """

    run: Run
    attempt: int
    entrypoint: Mapping[str, Any]
    parameters: Mapping[str, Any]
    home: str
    worker_id: str
    hooks_only: bool = False

    def write(self, folder: Path) -> None:
        """Write it down in the run's folder, for its owner alone."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        values = {
            "run": self.run.to_json(),
            "attempt": self.attempt,
            "entrypoint": dict(self.entrypoint),
            "parameters": dict(self.parameters),
            "home": self.home,
            "worker_id": self.worker_id,
            "hooks_only": self.hooks_only,
        }
        fresh = folder / f"{ORDER}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(values, file)
        fresh.replace(folder / ORDER)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the order in a run's folder."""
        values = json.loads((folder / ORDER).read_text("utf-8"))
        return cls(**{**values, "run": Run.from_json(values["run"])})
