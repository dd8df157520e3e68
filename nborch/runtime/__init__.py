"""What runs here, for code that wants to know.

>>> from nborch import runtime
>>> runtime.flow_run.name is None  # outside a run
True
"""

from nborch.runtime import deployment, flow_run, task_run

__all__ = ["deployment", "flow_run", "task_run"]
