"""What `mlflow.pyfunc.load_model` runs for a trained network: this file is copied into the model, nothing is pickled.

Takes and gives arrays (batch, channels, height, width) of float32, 0 … 1. Needs clearer-studies where it is loaded.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch
from mlflow.pyfunc import PythonModel

from clearer.checkpoint import read_network


class Restorer(PythonModel):
    """A derived network behind MLflow's interface."""

    def load_context(self, context: Any) -> None:
        self.network, _ = read_network(Path(context.artifacts["network"]))

    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:
        """Degraded images to restored ones of the same shape."""
        with torch.inference_mode():
            return self.network(torch.from_numpy(np.ascontiguousarray(model_input))).numpy()


mlflow.models.set_model(Restorer())
