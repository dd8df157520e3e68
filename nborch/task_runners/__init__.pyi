# What type checkers see of the package, whose names are loaded at first use.
from nborch.task_runners.base import TaskRunner as TaskRunner
from nborch.task_runners.processes import ProcessPoolTaskRunner as ProcessPoolTaskRunner
from nborch.task_runners.threads import ThreadPoolTaskRunner as ThreadPoolTaskRunner

__all__ = ["ProcessPoolTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]
