"""Notebooks in this very process: for tiny ones that are trusted."""
