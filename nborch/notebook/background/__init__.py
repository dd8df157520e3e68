"""Cells in the background: ``%%task --submit``."""
