"""The names of before, until what is outside this package follows."""

from analysis.statistics.answers import transfer_lines as transfer_lines
