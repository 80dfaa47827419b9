"""What a study cost, and what its store saved: seconds of stages, each computed once however many trials use it."""

from __future__ import annotations

import pandas as pd

from analysis.rows.configurations import percent

_STAGES = (
    ("search", "search_key", "search_seconds", "search_reused"),
    ("train", "train_key", "train_seconds", "train_reused"),
)
COLUMNS = ("stage", "trials", "computed", "seconds", "seconds_alone", "saved_seconds", "from_before", "devices")


def costs(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a stage: how many trials use it, how many were `computed` for them, what they took, and what sharing saved.

    `seconds` are the device seconds of the distinct stages (of a pack, each member's share), whenever they were computed;
    `seconds_alone` what they would have been, had every trial computed its own; `from_before` how many distinct ones were in the
    store before any of these trials asked for them. A failed trial has no seconds.
    """
    found = []
    for stage, key, seconds, reused in _STAGES:
        if not len(rows) or key not in rows:
            continue
        used = rows.dropna(subset=[key, seconds])
        distinct = used.drop_duplicates(key)
        fresh = set(used.loc[~used[reused].fillna(False).astype(bool), key])
        total, alone = float(distinct[seconds].sum()), float(used[seconds].sum())
        devices = sorted(used[f"{stage}_device"].dropna().unique()) if f"{stage}_device" in used else []
        found.append({
            "stage": stage, "trials": len(used), "computed": len(distinct), "seconds": total, "seconds_alone": alone,
            "saved_seconds": alone - total, "from_before": int((~distinct[key].isin(fresh)).sum()), "devices": ", ".join(devices),
        })  # fmt: skip
    tested = rows.dropna(subset=["test_key", "test_set_seconds"]) if "test_set_seconds" in rows else rows[:0]
    if len(tested):
        distinct = tested.drop_duplicates("test_key")
        total, alone = float(distinct["test_set_seconds"].sum()), float(tested["test_set_seconds"].sum())
        found.append({
            "stage": "test", "trials": len(tested), "computed": len(distinct), "seconds": total, "seconds_alone": alone,
            "saved_seconds": alone - total, "from_before": None, "devices": ", ".join(sorted(tested["device"].dropna().unique())),
        })  # fmt: skip
    return pd.DataFrame(found, columns=list(COLUMNS))


def gpu_hours(rows: pd.DataFrame) -> float | None:
    """Hours of GPU that the distinct searches and trainings took; None where none of them ran on one."""
    if not len(rows) or "gpu_seconds" not in rows or not rows["gpu_seconds"].notna().any():
        return None
    spent = rows[["search_seconds", "train_seconds"]].fillna(0).sum(axis=1)
    share = (rows["gpu_seconds"].fillna(0) / spent.where(spent > 0)).fillna(0)  # GPUs a trial held
    total = 0.0
    for _, key, seconds, _ in _STAGES:
        first = ~rows[key].duplicated() & rows[key].notna()
        total += float((rows[seconds].fillna(0) * share)[first].sum())
    return total / 3600


def cost_lines(rows: pd.DataFrame) -> list[str]:
    """The costs in sentences: device time, what sharing saved, GPU-hours and energy where they were measured."""
    table = costs(rows)
    learnt = table[table["stage"] != "test"]
    if not len(learnt):
        return ["No trial has finished: nothing to count."]
    seconds, alone = learnt["seconds"].sum(), learnt["seconds_alone"].sum()
    counts = " and ".join(f"{row['computed']} distinct {_PLURAL[row['stage']]}" for row in learnt.to_dict("records"))
    lines = [
        f"{counts} took {duration(seconds)} of one device's time ({'; '.join(sorted(set(learnt['devices']) - {''}))})."
    ]
    if alone > seconds:
        lines.append(
            f"Had every trial computed its own, they would have taken {duration(alone)}: sharing saved {percent(1 - seconds / alone)}."
        )
    before = int(learnt["from_before"].sum())
    if before:
        lines.append(f"{before} of them were in the store already, from other studies or earlier runs.")
    hours, energy = gpu_hours(rows), rows["energy_wh"].sum(min_count=1) if "energy_wh" in rows else None
    lines.append("GPU-hours: none was used." if hours is None else f"GPU-hours: {hours:.3g}.")
    lines.append(
        "Energy was not measured." if energy is None or pd.isna(energy) else f"Energy: {energy:.3g} Wh over all trials."
    )
    return lines


_PLURAL = {"search": "searches", "train": "trainings"}


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
