"""Renderings of runs for people: badges, tables."""
