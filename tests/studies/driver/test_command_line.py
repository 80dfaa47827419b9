"""The command of a study, and the same from Python: mistakes are one line that names the value, and write nothing."""

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import InProcess
from PIL import Image
from running import ROOT, TINY, run_study
from small import ASSIGNED

import analysis
import studies
from analysis.storage.places import StorageError
from clearer.configuration import field_types
from clearer.fields import ConfigurationError
from clearer.images.reading import ImageError
from clearer.tasks.task import Task
from studies import adaptive_pareto
from studies.driver.command_line import main
from studies.driver.options import Options
from studies.driver.study import Study
from studies.lambda_pareto import STUDY


def refused(storage: Path, capsys: pytest.CaptureFixture[str], *arguments: str, study: Study = STUDY) -> str:
    """The one line with which the study is refused."""
    with pytest.raises(SystemExit) as stop:
        main(study, None, ["--storage", str(storage), *arguments])
    out, err = capsys.readouterr()
    assert stop.value.code == 2
    assert err.count("\n") == 1, err
    assert err.startswith(f"{study.name}.py: ")
    assert "Traceback" not in out + err
    assert not storage.exists()
    return err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--nonsense"], "--nonsense"),
        (["--set", "lamda1=0"], "lamda1: no such field (did you mean lambda1?)"),
        (["--presett", "quick"], "--presett (did you mean --preset?)"),
        (["--preset", "quik"], "'quik' (did you mean quick?)"),
        (["--lambda1", "0.1"], "--lambda1 (did you mean --set lambda1=…?)"),
        (["--set", "lambda1"], "lambda1"),
        (["--set", "lambda1="], "lambda1="),
        (["--set", "lambda1=a"], "lambda1=a"),
        (["--set", "lambda1=0,-1"], "lambda1=-1"),
        (["--set", "lambda1=nan"], "lambda1=nan"),
        (["--set", "sigma=0"], "sigma=0"),
        (["--set", "sigma=-3"], "sigma=-3"),
        (["--set", "cells=0"], "cells=0"),
        (["--set", "columns=4-4-4"], "columns=4-4-4"),
        (["--set", "kind=random"], "kind"),
        (["--set", "seed=1", "seed=2"], "seed"),
        (["--set", "seed=1,2", "--seeds", "2"], "seed"),
        (["--set", "architecture=FPXP-FPFF-PFFP"], "'X'"),
        (["--set", "architecture=FPFP-FPFF", "cells=3"], "4-4"),
        (["--set", "warmup_iterations=500"], "warmup_iterations=500"),
        (["--set", "task=jpeg", "quality=0"], "quality=0: must be in 1"),
        (["--set", "task=super_resolve", "scale=2,5"], "scale=5: must be one of 2, 3, 4"),
        (["--set", "task=deblur", "blur=motion", "blur_size=4"], "blur_size=4: must be odd"),
        (["--set", "task=deblurr"], "task=deblurr: must be one of denoise, derain, jpeg, deblur, "),
        (["--preset", "large"], "large"),
        (["--preset", "proxy"], "--data"),
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--seeds", "0"], "'0'"),
        (["--concurrent", "many"], "many"),
        (["--random", "-1"], "'-1'"),
        (["--budget", "2"], "'2' is not a time"),
        (["--budget", "h"], "'h' is not a time"),
        (["--budget", "nanh"], "nan"),
        (["--gpus-per-trial", "-1"], "-1"),
        (["--gpus-per-trial", "1.5"], "1.5"),
        (["--pack", "0"], "'0'"),
        (["--address", "nowhere"], "nowhere"),
        (["--address", "127.0.0.1:1"], "127.0.0.1:1"),
        (["--storage", "gopher://x/y"], "gopher"),
        (["--storage", "~nobody-of-that-name/runs"], "~nobody-of-that-name"),
        (["--data", "~nobody-of-that-name"], "~nobody-of-that-name"),
        (["--storage", "runs\udcff"], "not UTF-8"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    assert named in refused(tmp_path / "runs", capsys, *arguments)


def picture(folder: Path, name: str, side: int) -> Path:
    """A random gray image."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def test_a_bad_image_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    for split in ("train", "val", "test"):
        picture(data / "bsds500" / split, f"{split}.png", 64)
    arguments = ("--preset", "proxy", "--data", str(data))
    small = picture(data / "bsds500/val", "small.png", 20)
    assert "small.png: 20×20 pixels, smaller than the patch of 32" in refused(tmp_path / "runs", capsys, *arguments)
    small.write_text("not an image")
    assert "small.png" in refused(tmp_path / "runs", capsys, *arguments)
    small.unlink()
    (data / "bsds500/test/test.png").unlink()
    assert "bsds500/test" in refused(tmp_path / "runs", capsys, *arguments)


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_storage_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stop:
        main(STUDY, None, ["--storage", str(tmp_path / "file" / "runs"), *more])
    assert stop.value.code == 2
    assert f"--storage {tmp_path}/file/runs" in capsys.readouterr().err


def test_auto_without_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert "ray start --head" in refused(tmp_path / "runs", capsys, "--address", "auto")


def test_a_stale_address_is_answered_within_ten_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray/ray_current_cluster").write_text("127.0.0.1:1")
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    started = time.monotonic()
    assert "127.0.0.1:1" in refused(tmp_path / "runs", capsys, "--address", "auto")
    assert time.monotonic() - started < 10


def test_something_else_at_the_address_is_not_a_cluster(tmp_path: Path) -> None:
    """A web server accepts the connection and does not speak Ray's protocol."""
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
    )
    assert server.stdout is not None
    try:
        port = server.stdout.readline().split("port ")[1].split()[0]
        started = time.monotonic()
        done = run_study(tmp_path / "runs", "--address", f"127.0.0.1:{port}")
        assert time.monotonic() - started < 20  # ten, and the start of Python and torch on a busy machine
    finally:
        server.kill()
        server.communicate()
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"127.0.0.1:{port}" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_request_that_no_node_can_hold_is_refused(tmp_path: Path) -> None:
    done = run_study(tmp_path / "runs", "--gpus-per-trial", "1")
    assert done.returncode == 2
    assert "--gpus-per-trial: a trial asks for 1 GPU" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_help_names_every_flag_and_field() -> None:
    script = [sys.executable, str(ROOT / "studies/lambda_pareto.py"), "--help"]
    environment = os.environ | {"COLUMNS": "200"}
    shown = subprocess.run(script, capture_output=True, text=True, env=environment, check=True).stdout
    flags = {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Options) if field.metadata}
    assert all(flag in shown for flag in (*flags, "--set"))
    assert all(f"{name}=" in shown.replace("\n", " ") for name in field_types())
    assert "lambda1=0.01" in shown
    assert "Grid" in shown, "the study's lab note"


def test_dry_run_computes_and_writes_nothing(tmp_path: Path) -> None:
    done = run_study(tmp_path / "runs", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "7 trials, 0 there, 7 to run" in done.stdout
    assert all(word in done.stdout for word in ("searches", "trainings", "time", "disk", "basis"))
    assert not (tmp_path / "runs").exists()


def test_a_failed_trial_is_a_row_with_its_reason_and_the_others_finish(
    in_process: InProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--storage", str(tmp_path), "--tracking-uri", "none", "--set", *TINY, "weights_learning_rate=0.025,1e30"]
    assert main(STUDY, None, asked) == 1
    said = capsys.readouterr().out
    assert "search diverged: restoration_loss is" in said
    assert "2 of 9 trials failed" in said
    rows = analysis.load(tmp_path)
    failed = rows[rows["status"] == "failed"]
    assert len(rows) == 9
    assert (failed["weights_learning_rate"] == 1e30).all()
    assert failed["error"].str.contains("diverged").all()
    assert failed["psnr_db"].isna().all()
    computed = len(in_process.packs)
    assert main(STUDY, None, asked) == 1
    assert "9 there, 0 to run" in capsys.readouterr().out
    assert len(in_process.packs) == computed


class Twice(Task):
    """A task that does nothing."""

    name = "twice"

    def degrade(self, c: Any, clean: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return clean


class Broken(Twice):
    """A task that can't."""

    name = "broken"

    def degrade(self, c: Any, clean: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        raise KeyError("what is not there")


OF_ONE = {"axes": {"proxy": {"lambda1": [0.0]}}}


@pytest.mark.parametrize(
    ("study", "named"),
    [
        (Study(name="none"), "preset=quick: of its presets the study none has none; axes={'quick'"),
        (Study(name="one", **OF_ONE), "needs --data DIR"),
        (Study(name="s", task=(Twice, Twice), axes={"quick": {}}), "task=twice: two tasks of one name; rename Twice"),
        (Study(name="s", task=type("Jpeg", (Task,), {"name": "jpeg"}), axes={"quick": {}}), "task=jpeg: two tasks of"),
        (
            Study(name="s", task=Broken, axes={"quick": {}}),
            "task=broken: degrade fails (KeyError: 'what is not there')",
        ),
    ],
    ids=["no preset", "one preset", "twice", "ours", "broken"],
)
def test_a_mistake_in_a_study_of_ones_own_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], study: Study, named: str
) -> None:
    assert named in refused(tmp_path / "runs", capsys, study=study)


def test_a_study_of_one_preset_has_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = Study(name="one", **OF_ONE)
    said = refused(tmp_path / "runs", capsys, "--preset", "paper", study=study)
    assert "preset=paper: of its presets the study one has proxy" in said


# From Python.

GRID = Study(name="s", axes={"quick": {"lambda1": [0.0, 0.5]}}, random={"quick": 0}, ends=False)
SMALL = {name: values[0] for name, values in ASSIGNED.items()}


def test_a_study_that_is_run_from_python_returns_its_results(
    in_process: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"storage": str(tmp_path), "tracking_uri": "none", "set": SMALL}
    results = studies.run(GRID, **asked)
    assert isinstance(results, analysis.Results)
    assert results.frame["lambda1"].tolist() in ([0.0, 0.5], [0.5, 0.0])
    assert len(results.front()) > 0
    assert (tmp_path / "studies/s/report/index.html").exists()
    monkeypatch.setattr("analysis.report.report.write_report", lambda results: [])  # one is enough
    computed = len(in_process.packs)
    further = studies.run(GRID, **{**asked, "set": {**SMALL, "lambda1": [0.0, 0.25, 0.5]}})
    assert len(further.frame) == 3
    assert {job.configuration.lambda1 for pack in in_process.packs[computed:] for job in pack.jobs} == {0.25}
    assert len(studies.run(GRID, studies.Options(storage=str(tmp_path), tracking_uri="none"), set=SMALL).frame) == 2


def test_a_mistake_from_python_is_an_exception_of_one_line(in_process: InProcess, tmp_path: Path) -> None:
    for changes in ({"set": {"lamda1": 0.1}}, {"data": "no/such/folder"}, {"storage": "gopher://x/y"}):
        with pytest.raises((ConfigurationError, ImageError, StorageError)) as raised:
            studies.run(GRID, **{"storage": str(tmp_path / "runs"), **changes})
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "runs").exists()
    assert in_process.packs == []


def test_a_study_with_flags_of_its_own_runs_from_python(
    in_process: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.report.report.write_report", lambda results: [])
    asked = {"storage": str(tmp_path), "tracking_uri": "none", "random": 0}
    results = studies.run(adaptive_pareto.STUDY, **asked, set=SMALL, more={"trials": 1})
    assert results.frame["kind"].value_counts().to_dict() == {"given": 2, "searched": 1}
    assert len(studies.run(adaptive_pareto.STUDY, **asked, set=SMALL).frame) == 2 + adaptive_pareto.TRIALS["quick"]


def test_importing_the_package_alone_loads_neither_torch_nor_ray() -> None:
    script = "import sys, studies; sys.exit(any(name in sys.modules for name in ('torch', 'ray', 'mlflow')))"
    subprocess.run([sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    with pytest.raises(AttributeError, match="nonsense"):
        studies.nonsense  # noqa: B018


SLOW = ("torch", "matplotlib", "scipy.stats", "ray", "mlflow", "optuna")
"""What takes a second or more to load."""
LOADED = f"""
import contextlib, runpy, sys
sys.argv = sys.argv[1:]
with contextlib.suppress(SystemExit):
    runpy.run_path(sys.argv[0], run_name="__main__")
print(sorted(sys.modules.keys() & set({SLOW!r})), file=sys.stderr)
"""
STUDIES = sorted(file.name for file in (ROOT / "studies").glob("*.py") if "STUDY = " in file.read_text())


def loaded_by(*words: str) -> tuple[str, str]:
    """What a command prints, and in the last line of its errors what it loads that is slow."""
    done = subprocess.run([sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


@pytest.mark.parametrize("study", STUDIES)
def test_help_waits_for_nothing_slow(study: str) -> None:
    said, errors = loaded_by(str(ROOT / "studies" / study), "--help")
    assert f"usage: {study}" in said
    assert errors == "[]\n"


@pytest.mark.parametrize("words", [["--presett", "quick"], ["--set", "lamda1=0"], ["--set", "sigma=a", "--dry-run"]])
def test_a_typo_waits_for_nothing_slow(words: list[str]) -> None:
    _, errors = loaded_by(str(ROOT / "studies/lambda_pareto.py"), *words)
    assert errors.startswith("lambda_pareto.py: ")
    assert errors.endswith("\n[]\n")


def test_a_dry_run_of_a_finished_store_waits_for_nothing_slow(study_storage: Path) -> None:
    script = str(ROOT / "studies/lambda_pareto.py")
    said, errors = loaded_by(script, "--storage", str(study_storage), "--dry-run", "--set", *TINY)
    assert "7 trials, 7 there, 0 to run" in said
    assert errors == "[]\n"
