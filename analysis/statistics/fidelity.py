"""Does the supernet rank architectures as training does: one-shot scores beside trained ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

_SAME = ("task", "sigma", "protocol", "test_set", "test_pixels_sha256", "columns", "channels", "train_iterations")


def fidelity(rows: pd.DataFrame, oneshot: pd.DataFrame) -> pd.DataFrame:
    """One row for each search and each architecture that it scored: `oneshot_psnr_db` beside the trained `psnr_db`.

    `oneshot` is of `analysis.load_oneshot`. A trained row belongs to a search where seed, space, training and scored
    pixels are the same; of several trainings of one architecture (found and drawn) the results are equal.
    """
    if not len(rows) or not len(oneshot):
        return pd.DataFrame()
    searches = rows[rows["kind"] == "searched"][["trial_id", *_SAME]].rename(columns={"trial_id": "search_trial_id"})
    scored = oneshot.merge(searches, on="search_trial_id")
    trained = rows.dropna(subset=["psnr_db"])[[*_SAME, "seed", "architecture", "psnr_db", "parameters"]]
    trained = trained.drop_duplicates([*_SAME, "seed", "architecture"])
    return scored.merge(trained, on=[*_SAME, "seed", "architecture"])


def agreement(table: pd.DataFrame, generator: np.random.Generator, draws: int = 2000) -> dict[str, float]:
    """Kendall's τ-b of one-shot and trained PSNR over architectures, its p-value, and a 95 % percentile bootstrap interval.

    `table` holds one search of `fidelity`; the bootstrap draws architectures. NaN where there are fewer than three.
    """
    pairs = table[["oneshot_psnr_db", "psnr_db"]].to_numpy(float)
    if len(pairs) < 3:
        return dict.fromkeys(("tau", "p", "low", "high"), float("nan"))
    found = kendalltau(pairs[:, 0], pairs[:, 1])
    again = [kendalltau(*pairs[generator.integers(len(pairs), size=len(pairs))].T).statistic for _ in range(draws)]
    low, high = np.nanpercentile(again, [2.5, 97.5])
    return {"tau": float(found.statistic), "p": float(found.pvalue), "low": float(low), "high": float(high)}


def fidelity_lines(rows: pd.DataFrame, oneshot: pd.DataFrame) -> list[str]:
    """τ and the gap at argmax of every search, in words."""
    table = fidelity(rows, oneshot)
    lines = []
    for _, group in table.groupby("search_trial_id", sort=False) if len(table) else ():
        first, found = group.iloc[0], agreement(group, np.random.default_rng(0))
        named = f"λ1={first['lambda1']:g} λ2={first['lambda2']:g} seed {first['seed']}"
        lines.append(
            f"{named}: Kendall's τ between one-shot and trained PSNR is {found['tau']:.2f} (95 %: {found['low']:.2f} to {found['high']:.2f}, p = {found['p']:.2g}) over {len(group)} architectures"
        )
        own = group[group["architecture"] == first["argmax"]]
        if len(own):
            one = own.iloc[0]
            lines.append(
                f"{named}: the supernet scores {first['supernet_psnr_db']:.2f} dB at its own α, its argmax {first['argmax']} with the same weights {one['oneshot_psnr_db']:.2f} dB, and trained {one['psnr_db']:.2f} dB"
            )
    return lines
