"""Statistics on simulated studies in which several λ share trainings: how often they cover, and find what is not there.

A search of each of six λ and each seed finds one of a few architectures; searches of one seed that found the same share
its training, and the luck of it. No statistic is told how often they did.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

import analysis

pytestmark = pytest.mark.drill(minutes=3)
STUDIES = 1000
LUCK_DB = 0.2
PARAMETERS = np.array([1.0, 1.6, 2.4, 3.5])
"""Of the four architectures."""
NAMES = ["PP-PP", "PF-PP", "PF-PF", "FF-FF"]
"""Of the four architectures, in a space of 16."""
CHOSEN = {"minimise": ["parameters"], "maximise": ["psnr_db"]}


def studies(
    generator: np.random.Generator, seeds: int, psnr_db: np.ndarray, changes: float, seed_std_db: float = 0.5
) -> Iterator[pd.DataFrame]:
    """Studies of 3 λ1 × 2 λ2: each finds the architecture of its λ2, or with the probability `changes` another one."""
    for _ in range(STUDIES):
        seed_db = generator.normal(0, seed_std_db, seeds)
        luck = generator.normal(0, LUCK_DB, (seeds, len(psnr_db)))
        rows = []
        for lambda1 in range(3):
            for lambda2 in range(2):
                for seed in range(seeds):
                    other = generator.random() < changes
                    found = int(generator.integers(len(psnr_db))) if other else 2 * lambda2
                    figure = psnr_db[found] + seed_db[seed] + luck[seed, found]
                    rows.append((lambda1, lambda2, seed, found, figure))
        frame = pd.DataFrame(rows, columns=["lambda1", "lambda2", "seed", "architecture", "psnr_db"])
        names = frame["seed"].astype(str) + " " + frame["architecture"].astype(str)
        replicate = frame["lambda1"].astype(str) + " " + frame["lambda2"].astype(str)
        yield frame.assign(train_key=names, replicate_id=replicate, kind="searched", trial_id=frame.index.astype(str))


def rate(found: list[bool]) -> float:
    print(f"{np.mean(found):.4f} of {len(found)}")
    return float(np.mean(found))


@pytest.mark.parametrize("seeds", [3, 5])
def test_effects_of_nothing_are_significant_in_five_of_a_hundred_studies(seeds: int) -> None:
    """Of 1,000 studies a rate of 5 % has a standard deviation of 0.69 %."""
    generator = np.random.default_rng(seeds)
    found: dict[str, list[bool]] = {"lambda1": [], "lambda2": []}
    for rows in studies(generator, seeds, np.full(4, 28.0), 0.5):
        table = analysis.effects(rows, ["lambda1", "lambda2"], interactions=False).set_index("source")["p"]
        for name, each in found.items():
            each += [table[name] <= 0.05] if np.isfinite(table[name]) else []
    assert all(len(each) > 0.9 * STUDIES for each in found.values()), "few cannot be told"
    assert all(0.035 < rate(each) < 0.065 for each in found.values())


@pytest.mark.parametrize("seeds", [4, 6])
def test_a_paired_difference_covers_no_difference(seeds: int) -> None:
    generator = np.random.default_rng(seeds)
    covered = []
    for rows in studies(generator, seeds, np.full(4, 28.0), 0.7):
        found = analysis.paired_difference(rows[rows["lambda2"] == 0], "lambda1", 2, 0)
        assert (found.low is None) == (found.effective_seeds < 3)
        covered += [found.low <= 0 <= found.high] if found.low is not None and found.high is not None else []
    assert 0.93 < rate(covered) < 0.97


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_hypervolume_of_shared_trainings_is_covered(seeds: int) -> None:
    """λ that always find one architecture are one configuration under several names.

    Luck that a seed brings to all architectures is not in the interval, as `analysis.statistics.uncertainty` says.
    """
    psnr_db, reference = np.array([28.0, 29.0, 29.7, 30.1]), {"parameters": 6.0, "psnr_db": 26.0}
    generator, covered = np.random.default_rng(seeds), []
    for rows in studies(generator, seeds, psnr_db, 0.0, seed_std_db=0.0):
        frame = rows.assign(parameters=PARAMETERS[rows["architecture"]])
        truth = pd.DataFrame({"parameters": PARAMETERS[[0, 2]], "psnr_db": psnr_db[[0, 2]]})
        found = analysis.hypervolume_interval(frame, reference, generator, **CHOSEN, draws=500)
        covered.append(found["low"] <= analysis.hypervolume(truth, reference, **CHOSEN) <= found["high"])
    assert 0.93 < rate(covered) < 0.97


def test_a_search_that_is_luck_is_called_better_in_five_of_a_hundred_studies() -> None:
    """The smallest adjusted p-value of six λ, at eight seeds, beside six random architectures without an effect."""
    generator, found = np.random.default_rng(2), []
    for rows in studies(generator, 8, np.full(4, 28.0), 0.0):
        drawn = [
            {"kind": "random", "seed": seed, "architecture": f"r{k}", "replicate_id": f"r{k}",
             "train_key": f"r{seed} {k}", "trial_id": f"r{seed} {k}", "psnr_db": generator.normal(28.0, LUCK_DB)}
            for seed in range(8) for k in range(6)
        ]  # fmt: skip
        luck = generator.normal(0, LUCK_DB, (8, 4))[rows["seed"], rows["architecture"]]
        searched = rows.assign(psnr_db=28.0 + luck, architecture=np.array(NAMES)[rows["architecture"]])
        table = analysis.search_against_random(pd.concat([searched, pd.DataFrame(drawn)]), generator, draws=20)
        assert table["same_as"].notna().sum() == 4, "six λ, two of them with trainings of their own"
        found.append(table["p_permutation_holm"].min() <= 0.05)
    assert 0.03 < rate(found) < 0.06
