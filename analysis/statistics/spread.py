"""The names of before, until what is outside this package follows."""

from analysis.statistics.answers import spread_lines as spread_lines
