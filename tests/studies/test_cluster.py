"""A study on a running cluster gives the numbers of a study on this machine, computed by the code of the driver."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from nodes import running_cluster
from running import MEASURED, ROOT, TINY, UNTRACKED, run_study

import analysis
from clearer.images.reading import content_hash
from studies.store.store import Store
from studies.store.study_file import read_study


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Ray cluster of one node."""
    with running_cluster() as started:
        yield started.address


def test_rows_equal_those_of_one_machine_bit_for_bit(cluster: str, study_storage: Path, tmp_path: Path) -> None:
    done = run_study(tmp_path / "runs", "--address", cluster, *UNTRACKED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    (run,) = read_study(Store(str(tmp_path / "runs")), "lambda_pareto")["runs"]
    assert [node["host"] for node in run["nodes"]] == ["head"]
    assert run["warnings"] == []
    here = analysis.load(study_storage)
    there = analysis.load(tmp_path / "runs").sort_values("trial_id", ignore_index=True)
    here = here[here["trial_id"].isin(there["trial_id"])].sort_values("trial_id", ignore_index=True)
    pd.testing.assert_frame_equal(
        there.drop(columns=list(MEASURED)), here.drop(columns=list(MEASURED)), check_exact=True
    )


WHERE = """
import sys
from studies.nodes.connection import connect
import ray

@ray.remote(num_cpus=0)
def where():
    import clearer, studies
    from clearer.images.reading import content_hash
    from pathlib import Path
    files = [(studies, "work/stages.py"), (clearer, "images/manifests/bsd68.sha256")]
    return [clearer.__file__, studies.__file__, *(content_hash(Path(m.__file__).parent / name) for m, name in files)]

with connect(sys.argv[1]):
    print(*ray.get(where.remote()), sep="\\n")
"""


def test_nodes_run_the_code_of_the_driver_and_no_other(cluster: str, tmp_path: Path) -> None:
    for package in ("clearer", "studies"):  # what another checkout in the same place on a node would be
        (tmp_path / "cwd" / package).mkdir(parents=True)
        (tmp_path / "cwd" / package / "__init__.py").write_text("raise SystemExit('the wrong code')")
    script = tmp_path / "where.py"
    script.write_text(WHERE)
    submitted = {"runtime_env": {"working_dir": "gcs://_ray_pkg_of_a_submitted_job.zip"}, "metadata": {}}
    done = subprocess.run(
        [sys.executable, str(script), cluster],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=tmp_path / "cwd",
        env=os.environ | {"PYTHONPATH": str(ROOT), "RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps(submitted)},
    )
    assert done.returncode == 0, done.stderr
    *places, stages, manifest = done.stdout.split()
    assert not [place for place in places if place.startswith((str(ROOT), str(tmp_path)))]
    assert stages == content_hash(ROOT / "studies" / "work" / "stages.py")
    assert manifest == content_hash(ROOT / "clearer" / "images" / "manifests" / "bsd68.sha256")


@pytest.mark.drill
def test_a_head_without_cores_leaves_the_times_to_another_node(tmp_path: Path) -> None:
    with running_cluster([], head_cpus=0) as started:
        one = tuple(text for text in TINY if not text.startswith("lambda"))
        done = run_study(
            tmp_path / "runs", "--address", started.address, "--random", "0", settings=(*one, "lambda1=0", "lambda2=0")
        )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = analysis.load(tmp_path / "runs")
    assert len(rows) == 3
    assert rows["test_time_ms"].notna().all()
    assert rows["test_time_error"].isna().all()
