"""Studies: one short file for each question, and the rooms of what runs them on Ray and keeps their results.

From Python: `studies.run(STUDY, storage="runs", set={"lambda1": [0, 0.1]})` returns `analysis.Results`.
"""

import importlib
from typing import Any

__all__ = ["Options", "Study", "run"]
_WHERE = {"Options": "driver.options", "Study": "driver.study", "run": "driver.command_line"}


def __getattr__(name: str) -> Any:
    """What is imported when it is first asked for: `import studies` alone loads neither torch nor Ray."""
    if name not in _WHERE:
        raise AttributeError(f"module 'studies' has no attribute {name!r}")
    return getattr(importlib.import_module(f"studies.{_WHERE[name]}"), name)
