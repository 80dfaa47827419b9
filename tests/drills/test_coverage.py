"""Does the hypervolume's interval cover the truth as often as it says, over simulated studies."""

import numpy as np
import pandas as pd
import pytest

import analysis

pytestmark = pytest.mark.drill
STUDIES = 1000
PARAMETERS = np.array([1.0, 1.6, 2.4, 3.5, 5.0])
APART = np.array([28.0, 29.0, 29.7, 30.1, 30.3])
CLOSE = np.array([29.9, 29.95, 30.0, 30.0, 30.0])
"""PSNR in dB: closer than the deviation over seeds, so that the largest mean is often not the best configuration's."""
NEAR, FAR = 27.0, 22.0
"""References in dB. Twelve images carry the smallest network past the near one and back."""
CHOSEN = {"minimise": ["parameters"], "maximise": ["psnr_db"]}
SEED_DB, IMAGE_DB, RESIDUAL_DB = 0.1, 2.0, 0.2


def study(generator: np.random.Generator, psnr_db: np.ndarray, seeds: int, images: int) -> pd.DataFrame:
    """Rows whose PSNR and size vary over seeds, and whose PSNR varies over images, mostly alike for all of them."""
    count = len(psnr_db)
    size = PARAMETERS[:, None] * (1 + 0.03 * generator.standard_normal((count, seeds)))
    figures = psnr_db[:, None] + SEED_DB * generator.standard_normal((count, seeds))
    frame = pd.DataFrame({"replicate_id": np.repeat(np.arange(count), seeds), "parameters": size.ravel()})
    if not images:
        return frame.assign(psnr_db=figures.ravel())
    by_image = (
        figures[:, :, None]
        + IMAGE_DB * generator.standard_normal(images)
        + RESIDUAL_DB * generator.standard_normal((count, 1, images))
        + RESIDUAL_DB * generator.standard_normal((count, seeds, images))
    ).reshape(-1, images)
    return frame.assign(psnr_db=by_image.mean(axis=1), psnr_by_image=list(by_image))


@pytest.mark.parametrize(
    ("psnr_db", "seeds", "images", "beyond", "least"),
    [
        (APART, 3, 0, NEAR, 0.93),
        (APART, 5, 0, NEAR, 0.93),
        (CLOSE, 3, 0, NEAR, 0.93),
        (CLOSE, 5, 0, NEAR, 0.93),
        (APART, 3, 12, FAR, 0.93),
        (APART, 3, 68, NEAR, 0.93),
        (APART, 3, 12, NEAR, 0.91),
    ],
    ids=["apart, 3 seeds", "apart, 5 seeds", "close, 3", "close, 5", "12 images", "68 images", "past the reference"],
)
def test_an_interval_covers_as_often_as_it_says(
    psnr_db: np.ndarray, seeds: int, images: int, beyond: float, least: float
) -> None:
    reference = {"parameters": 6.0, "psnr_db": beyond}
    truth = analysis.hypervolume(pd.DataFrame({"parameters": PARAMETERS, "psnr_db": psnr_db}), reference, **CHOSEN)
    generator, covered = np.random.default_rng(0), 0
    for _ in range(STUDIES):
        frame = study(generator, psnr_db, seeds, images)
        found = analysis.hypervolume_interval(frame, reference, generator, **CHOSEN, draws=1000)
        covered += found["low"] <= truth <= found["high"]
    print(f"\ncovered: {covered} of {STUDIES}")
    assert least <= covered / STUDIES <= 0.97
