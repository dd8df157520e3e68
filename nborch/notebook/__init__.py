"""Notebook surfaces: cells as tasks, and notebooks as flows."""
