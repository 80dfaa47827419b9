"""Rows of a store as data frames, and which of them compare."""
