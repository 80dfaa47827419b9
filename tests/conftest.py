"""What tests of several folders share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from running import run_study

settings.register_profile("clearer", deadline=None, max_examples=25, derandomize=True, database=None)
settings.load_profile("clearer")


@pytest.fixture(scope="session")
def study_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The storage of a finished tiny λ study; its standard output is in `output.txt` beside it."""
    storage = tmp_path_factory.mktemp("study") / "runs"
    done = run_study(storage)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    (storage.parent / "output.txt").write_text(done.stdout)
    return storage
