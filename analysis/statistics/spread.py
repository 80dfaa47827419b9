"""How much of a difference in PSNR is seed luck: standard deviations over replicates, each with what it is over."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import chi2

from analysis.rows.comparable import PIXELS

_MOST_SAID = 12


def spread(rows: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """One row a source of variation: `source, count` (values), `groups, std_db, low_db, high_db`.

    Values are centred in their group (a configuration, or an architecture) and pooled; `low_db` and `high_db` are the
    chi-square interval of a normal distribution's standard deviation at `level`. Sources with fewer than two
    values in every group are left out.

    * `search and training`: searched trials of one configuration over seeds;
    * `training`: one architecture, trained with several seeds;
    * `architecture`: the means over seeds of random architectures.
    """
    found = [
        _pooled(source, [np.asarray(group, float) for group in groups], level) for source, groups in _sources(rows)
    ]
    return pd.DataFrame(
        [row for row in found if row], columns=["source", "count", "groups", "std_db", "low_db", "high_db"]
    )


def _sources(rows: pd.DataFrame) -> Iterator[tuple[str, list[pd.Series]]]:
    scored = rows.dropna(subset=["psnr_db"]) if len(rows) else rows
    if not len(scored):
        return
    searched, fixed = scored[scored["kind"] == "searched"], scored[scored["kind"] != "searched"]
    fixed = fixed.sort_values("kind", ascending=False, kind="stable")  # random ones first
    fixed = fixed.drop_duplicates("test_key")  # an architecture that was drawn may also have been found
    yield "search and training", [group["psnr_db"] for _, group in searched.groupby("replicate_id")]
    yield "training", [group["psnr_db"] for _, group in fixed.groupby("replicate_id")]
    random = fixed[fixed["kind"] == "random"].groupby([*PIXELS, "architecture"], dropna=False)["psnr_db"].mean()
    yield "architecture", [group for _, group in random.groupby(PIXELS, dropna=False)]


def _pooled(source: str, groups: list[np.ndarray], level: float) -> dict[str, object] | None:
    groups = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return None
    squares = sum(float(np.sum((group - group.mean()) ** 2)) for group in groups)
    low, high = (np.sqrt(squares / chi2.ppf(q, freedom)) for q in ((1 + level) / 2, (1 - level) / 2))
    return {
        "source": source, "count": sum(map(len, groups)), "groups": len(groups),
        "std_db": float(np.sqrt(squares / freedom)), "low_db": float(low), "high_db": float(high),
    }  # fmt: skip


def spread_lines(rows: pd.DataFrame) -> list[str]:
    """What `spread` found, and on how many architectures the seeds of a configuration agree, in words."""
    table = spread(rows)
    lines = [
        f"over {row['source']}: PSNR has a standard deviation of {row['std_db']:.2f} dB (95 %: {row['low_db']:.2f} to {row['high_db']:.2f}; {row['count']} values in {row['groups']} groups)"
        for row in table.to_dict("records")
    ]
    searched = rows[rows["kind"] == "searched"] if len(rows) else rows
    groups = [group for _, group in searched.groupby("replicate_id") if len(group) > 1] if len(searched) else []
    if len(groups) > _MOST_SAID:
        architectures = np.mean([group["architecture"].nunique() for group in groups])
        said = f"{len(groups)} configurations of several seeds found {architectures:.1f} different architectures each on average"
        return [*lines, said]
    for group in groups:
        first = group.iloc[0]
        lines.append(
            f"λ1={first['lambda1']:g} λ2={first['lambda2']:g}: {len(group)} seeds found {group['architecture'].nunique()} different architectures"
        )
    return lines
