"""Limits on how much runs at once: `nborch.concurrency.sync`, and its async twin."""
