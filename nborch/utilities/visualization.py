"""The errors of ``flow.visualize()``, where Prefect has them."""

from nborch.exceptions import FlowVisualizationError, VisualizationUnsupportedError

__all__ = ["FlowVisualizationError", "VisualizationUnsupportedError"]
