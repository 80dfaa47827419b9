"""A trained network as a model of MLflow: loaded without pickle, it restores what the network does."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch

from clearer.checkpoint import read_network
from studies.store.store import Store
from studies.tracking.artifacts import write_trial_files


def test_the_model_restores_what_the_network_does(
    study_storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    store = Store(str(study_storage))
    row = store.rows("lambda_pareto", sorted(store.trial_ids("lambda_pareto"))[:1])[0]
    write_trial_files(tmp_path, store, row, [{"stage": "search", "iteration": 1, "alpha": row["alpha"]}])
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    network, _ = read_network(study_storage / "stages/train" / row["train_key"] / "network.safetensors")
    images = np.random.default_rng(0).random((2, 1, 21, 34), dtype=np.float32)
    with torch.inference_mode():
        assert np.array_equal(model.predict(images), network(torch.from_numpy(images)).numpy())
    signature = model.metadata.signature
    assert [spec.shape for spec in (*signature.inputs, *signature.outputs)] == [(-1, 1, -1, -1)] * 2
    with pytest.raises(mlflow.MlflowException, match="float64"):
        model.predict(images.astype(np.float64))
