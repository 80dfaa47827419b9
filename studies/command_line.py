"""The old place of `studies.driver.command_line`, which study files of users' own import."""

from studies.driver.command_line import main

__all__ = ["main"]
