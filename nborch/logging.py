"""Loggers, where Prefect has them: `get_run_logger` and its companions."""

from nborch.logs import disable_run_logger, get_logger, get_run_logger

__all__ = ["disable_run_logger", "get_logger", "get_run_logger"]
