"""Where submitted tasks run: threads, processes, clusters.

>>> from nborch.task_runners import ThreadPoolTaskRunner
>>> ThreadPoolTaskRunner(max_workers=4).max_workers
4
"""

from typing import TYPE_CHECKING

from nborch.lazily import lazily

if TYPE_CHECKING:
    from nborch.task_runners.base import TaskRunner
    from nborch.task_runners.processes import ProcessPoolTaskRunner
    from nborch.task_runners.threads import ThreadPoolTaskRunner

__all__ = ["ProcessPoolTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]

# Who runs in threads need not load what starts processes.
__getattr__, __dir__ = lazily(
    __name__,
    {
        "ProcessPoolTaskRunner": "processes",
        "TaskRunner": "base",
        "ThreadPoolTaskRunner": "threads",
    },
)
