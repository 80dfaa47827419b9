"""Studies: one short file for each question, and the rooms of what runs them on Ray and keeps their results.

From Python: `studies.run(STUDY, storage="runs", set={"lambda1": [0, 0.1]})` returns `analysis.Results`.
"""

import importlib
from typing import Any

__all__ = ["Findings", "Method", "Options", "Study", "Task", "main", "run"]
_WHERE = {
    "studies.driver.command_line": ("main", "run"),
    "studies.driver.options": ("Options",),
    "studies.driver.study": ("Findings", "Study"),
    "clearer.tasks.task": ("Method", "Task"),
}


def __getattr__(name: str) -> Any:
    """What is imported when it is first asked for: `import studies` alone loads neither torch nor Ray."""
    for module, names in _WHERE.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'studies' has no attribute {name!r}")
