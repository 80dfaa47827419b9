"""When λ1 polarises α. Where α then comes to rest: `analysis.predictions.polarisation`."""

import math


def polarisation_threshold(columns: int, weight_decay: float) -> float:
    """The λ1 below which Adam's weight decay keeps α at 1/2 when L_Res is silent: N·w·ln 10, N = 2·columns."""
    return 2 * columns * weight_decay * math.log(10)
