"""The names of before, until what is outside this package follows."""

from analysis.rows.comparable import by_device as by_device
from analysis.rows.comparable import protocol_groups as comparable  # noqa: F401
