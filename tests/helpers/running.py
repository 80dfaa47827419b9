"""Studies run for the tests: the real command in a process of its own, on a real Ray, with settings of seconds."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SHAPE = "channels=2 cells=1 columns=2 batch_size=2 patch_size=16".split()
_LENGTHS = "search_iterations=4 warmup_iterations=2 train_iterations=4 report_iterations=2".split()
_FEW = "reference_images=1 time_series=1 time_calls=1 test_limit=2".split()
TINY = (*_SHAPE, *_LENGTHS, *_FEW, "seed=0", "lambda1=0,0.1", "lambda2=0")
UNSWEPT = tuple(text for text in TINY if not text.startswith("lambda"))
"""The same without the axes of the λ study."""
UNTRACKED = ("--tracking-uri", "none")
"""For tests that ask MLflow nothing: its database alone takes ten seconds."""

CONTRACT = (
    "study trial_id kind status error task sigma protocol dataset cells columns channels lambda1 lambda2 "
    "seed architecture fusion_columns parameters flops psnr_db ssim psnr_patch_db psnr_by_image "
    "test_images test_time_ms test_time_iqr_ms test_time_images device alpha search_iterations "
    "train_iterations search_seconds train_seconds gpu_seconds energy_wh search_reused train_reused "
    "started_at finished_at host commit versions"
).split()
"""The columns of a row that scripts and notebooks rely on."""


MEASURED = tuple(
    (
        "search_seconds train_seconds test_time_ms test_time_iqr_ms test_time_spread test_set_seconds "
        "started_at finished_at commit"
    ).split()
)
"""The columns of a row that a clock measured; and the commit, which changes where someone commits during the tests."""


def command(
    storage: Path, *arguments: str, settings: tuple[str, ...] = TINY, study: str = "lambda_pareto"
) -> list[str]:
    """The command line of a study with tiny settings."""
    script = str(ROOT / "studies" / f"{study}.py")
    return [sys.executable, script, "--storage", str(storage), "--set", *settings, *arguments]


def run_study(
    storage: Path, *arguments: str, settings: tuple[str, ...] = TINY, study: str = "lambda_pareto"
) -> subprocess.CompletedProcess[str]:
    """Runs a tiny study to its end."""
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(
        command(storage, *arguments, settings=settings, study=study),
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        cwd=storage.parent,
        check=False,
    )


def wait_for(condition: Callable[[], object], seconds: float = 240) -> None:
    """Waits until `condition()` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
