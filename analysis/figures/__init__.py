"""Figures, each drawn from a table of numbers."""
