"""Reruns: which cells are out of date, why, and what brings them up to date."""
