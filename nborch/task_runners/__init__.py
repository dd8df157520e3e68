"""Where submitted tasks run: threads, processes, clusters.

>>> from nborch.task_runners import ThreadPoolTaskRunner
>>> ThreadPoolTaskRunner(max_workers=4).max_workers
4
"""

from nborch.lazily import lazily

_HOMES = {
    "ProcessPoolTaskRunner": "nborch.task_runners.processes",
    "TaskRunner": "nborch.task_runners.base",
    "ThreadPoolTaskRunner": "nborch.task_runners.threads",
}

__all__ = ["ProcessPoolTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]

# Who runs in threads need not load what starts processes.
__getattr__, __dir__ = lazily(__name__, _HOMES)
