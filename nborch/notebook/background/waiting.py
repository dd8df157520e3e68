"""Waiting: how a cell shows what it waits for, and whether anybody sees it."""

import sys
import time
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from nborch.notebook.background.jobs import Job
from nborch.notebook.background.stages import listed
from nborch.showing import duration
from nborch.view.notices import Notice

__all__ = ["Wait", "is_interactive"]

#: Seconds that one waits before one says so.
QUIET = 0.3
#: Seconds from one look of the line to the next.
PACE = 0.5


class Wait:
    """The line at the top of a cell that waits, for as long as it does."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._started = time.monotonic()
        self._due = self._started + QUIET
        self._display_id: str | None = None

    @property
    def _has_page(self) -> bool:
        return getattr(self._shell, "kernel", None) is not None

    def show(self, jobs: Iterable[Job]) -> None:
        """Show what is waited for, now and then."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + PACE
        is_first, known = self._display_id is None, self._display_id or uuid4().hex
        if not is_first and not self._has_page:
            return  # a terminal would show one line below the other
        self._display_id = known
        told = [
            f"for {listed(job.makes)} (task {job.name}, {duration(job.elapsed)})"
            for job in jobs
            if not job.is_bound
        ]
        if told:
            self._shell.display_pub.publish(
                Notice(f"waiting {', '.join(told)}").bundle(),
                transient={"display_id": known},
                update=not is_first,
            )

    def end(self) -> None:
        """Take the line away."""
        if self._display_id is not None and self._has_page:
            self._shell.display_pub.clear_output()


def is_interactive(shell: Any) -> bool:
    """Tell whether somebody is there to see a cell end after it has returned.

    Who executes a notebook to its end and stores it sends no input.
    """
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return sys.stdin is not None and sys.stdin.isatty()
    parent = kernel.get_parent("shell") or {}
    if "nborch" in parent.get("metadata", {}):
        return False
    return bool(parent.get("content", {}).get("allow_stdin"))
