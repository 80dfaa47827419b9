"""The names of before, until what is outside this package follows."""

from analysis.statistics.answers import fidelity_lines as fidelity_lines
