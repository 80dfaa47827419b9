"""Fronts, tests and intervals over rows."""
