"""The harness for tests, where Prefect has it; see `nborch.testing`."""

from nborch.testing.homes import prefect_test_harness

__all__ = ["prefect_test_harness"]
