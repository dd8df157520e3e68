"""Concurrency limits: take slots, wait for them in order, give them back."""

from nborch.limits.access import Limits
from nborch.limits.keeping import Lease
from nborch.limits.queues import Turn

__all__ = ["Lease", "Limits", "Turn"]
