"""Two nodes that copy the images from S3, each into its own cache, give the rows of one that reads a folder."""

import os
from pathlib import Path

import boto3
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from nodes import running_cluster
from object_storage import BUCKET
from running import MEASURED, TINY, run_study

import analysis


@pytest.mark.drill(minutes=1.5)
def test_images_on_s3_give_the_rows_of_a_folder(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, settings = tmp_path / "data", (*TINY, "dataset=mine")
    port = s3.split("127.0.0.1:")[1].split("&")[0]
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")
    for number, name in enumerate(("train/1.png", "train/2.png", "val/1.png", "test/1.png")):
        file = data / "mine" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.random.default_rng(number).integers(0, 255, (48, 40), np.uint8)).save(file)
        client.upload_file(str(file), BUCKET, f"data/mine/{name}")
    caches = [tmp_path / name for name in ("driver", "node")]
    monkeypatch.setenv("CLEARER_CACHE", str(caches[0]))
    elsewhere = tmp_path / "elsewhere"  # on the second node, where the study runs, no folder has the images
    with running_cluster(["env", f"CLEARER_CACHE={caches[1]}"], head_cpus=0) as cluster:
        arguments = ("--address", cluster.address, "--data", s3.format("data"))
        done = run_study(elsewhere, *arguments, "--random", "0", settings=settings)
        assert done.returncode == 0, done.stdout + done.stderr
        copies = [sorted(cache.glob("data/*/images/mine/*/*.png")) for cache in caches]
        assert [len(files) for files in copies] == [4, 4], "each node has its own"
        for files in copies:
            os.truncate(files[0], 10)
        again = run_study(elsewhere, *arguments, "--random", "0", "--seeds", "2", settings=settings)
        assert again.returncode == 0, again.stdout + again.stderr
    here = run_study(tmp_path / "here", "--data", str(data), "--random", "0", "--seeds", "2", settings=settings)
    assert here.returncode == 0, here.stdout + here.stderr
    frames = [
        analysis.load(storage).sort_values("trial_id", ignore_index=True).drop(columns=list(MEASURED))
        for storage in (elsewhere, tmp_path / "here")
    ]
    reused = ["search_reused", "train_reused"]
    pd.testing.assert_frame_equal(*(frame.drop(columns=reused) for frame in frames), check_exact=True)
