"""The ablation statistics on simulated studies without any effect: how often they find one. About a minute."""

import numpy as np
import pandas as pd
import pytest

from analysis import comparisons, search_against_random, seed_agreement

pytestmark = pytest.mark.drill


def rate(found: list[bool]) -> float:
    print(f"{np.mean(found):.4f} of {len(found)}")
    return float(np.mean(found))


def test_comparisons_of_equal_values_are_significant_in_five_of_a_hundred_studies() -> None:
    """Of 2,000 studies a rate of 5 % has a standard deviation of 0.49 %; the exact level is 4.7 %."""
    generator, seeds = np.random.default_rng(11), 8
    found = []
    for _ in range(2000):
        shared = generator.normal(30, 1, seeds)
        drawn = [(value, *pair) for value in (0, 1) for pair in enumerate(shared + generator.normal(0, 0.2, seeds))]
        rows = pd.DataFrame(drawn, columns=["axis", "seed", "psnr_db"])
        found.append(comparisons(rows, "axis", generator)["p_permutation"].iloc[0] <= 0.05)
    assert 0.04 < rate(found) < 0.06


def test_agreement_by_chance_is_significant_in_at_most_five_of_a_hundred_configurations() -> None:
    """The p-values are of discrete counts, so their rate may be below 5 %; its standard deviation is 0.49 %."""
    generator = np.random.default_rng(6)
    drawn = [(str(i), seed, "".join(generator.choice(["P", "F"], 12))) for i in range(2000) for seed in range(5)]
    rows = pd.DataFrame(drawn, columns=["replicate_id", "seed", "architecture"]).assign(kind="searched")
    table = seed_agreement(rows, generator, draws=199)
    for name in ("p_coin", "p_shuffled"):
        assert 0.02 < rate((table[name] <= 0.05).tolist()) < 0.06


@pytest.mark.parametrize("seeds", [3, 5, 8])
def test_the_interval_of_the_probability_of_improvement_holds_one_half(seeds: int) -> None:
    """Searched networks are one more draw each of the random architectures' distribution, which all seeds share."""
    generator = np.random.default_rng(4)
    gain, inside = [], []
    for _ in range(400):
        shared, architectures = generator.normal(30, 1, seeds), generator.normal(0, 0.3, 6)
        random = shared[:, None] + architectures + generator.normal(0, 0.2, (seeds, 6))
        searched = shared + generator.normal(0, 0.3, seeds) + generator.normal(0, 0.2, seeds)
        drawn = [("searched", "s", i, "S", value) for i, value in enumerate(searched)]
        drawn += [("random", str(k), i, str(k), random[i, k]) for i in range(seeds) for k in range(6)]
        rows = pd.DataFrame(drawn, columns=["kind", "replicate_id", "seed", "architecture", "psnr_db"])
        row = search_against_random(rows, generator, draws=400).iloc[0]
        inside.append(bool(row["probability_low"] <= 0.5 <= row["probability_high"]))
        gain.append(bool(row["low"] <= 0 <= row["high"]))
    assert rate(inside) > {3: 0.8, 5: 0.85, 8: 0.9}[seeds]
    rate(gain)
