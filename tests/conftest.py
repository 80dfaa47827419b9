"""What tests of several folders share."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import run_study


@pytest.fixture(scope="session")
def study_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The storage of a finished tiny λ study; its standard output is in `output.txt` beside it."""
    storage = tmp_path_factory.mktemp("study") / "runs"
    done = run_study(storage)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    (storage.parent / "output.txt").write_text(done.stdout)
    return storage
