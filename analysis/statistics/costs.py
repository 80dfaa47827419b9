"""What a study cost, and what its store saved: seconds of stages, each computed once however many trials use it."""

import pandas as pd

from analysis.rows.units import duration, percent

COLUMNS = "stage trials computed seconds seconds_alone saved_seconds from_before devices".split()
_SECONDS = {"search": "search_seconds", "train": "train_seconds", "test": "test_set_seconds"}
_DEVICES = {"search": "search_device", "train": "train_device", "test": "device"}
_PLURAL = {"search": "searches", "train": "trainings"}


def costs(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a stage: how many trials use it, how many were `computed` for them, what they took, what sharing saved.

    `seconds` are the device seconds of the distinct stages (of a pack, each member's share), whenever they were
    computed; `seconds_alone` what they would have been, had every trial computed its own; `from_before` how many
    distinct ones were in the store before any of these trials asked for them (null of tests). Failed trials have none.
    """
    found = []
    rows = rows.drop_duplicates("trial_id") if "trial_id" in rows and rows["trial_id"].notna().all() else rows
    for stage, seconds in _SECONDS.items():
        key, device, reused = f"{stage}_key", _DEVICES[stage], f"{stage}_reused"
        used = rows.dropna(subset=[key, seconds]) if {key, seconds} <= set(rows) else rows[:0]
        if not len(rows) or key not in rows or (stage == "test" and not len(used)):
            continue
        distinct, before = used.drop_duplicates(key), None
        if reused in used:
            fresh = set(used.loc[~used[reused].fillna(False).astype(bool), key])
            before = int((~distinct[key].isin(fresh)).sum())
        total, alone = float(distinct[seconds].sum()), float(used[seconds].sum())
        devices = ", ".join(sorted(used[device].dropna().unique())) if device in used else ""
        found.append((stage, len(used), len(distinct), total, alone, alone - total, before, devices))
    return pd.DataFrame(found, columns=COLUMNS)


def _spent(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """The seconds of searches and of trainings, each with the first row that has it, 0 in the others."""
    keys = {stage: rows[f"{stage}_key"] for stage in ("search", "train")}
    is_first = {stage: key.notna() & ~key.duplicated() for stage, key in keys.items()}
    return {stage: rows[_SECONDS[stage]].fillna(0).astype(float).where(own, 0.0) for stage, own in is_first.items()}


def best_so_far(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a distinct training, in the order in which their trials ended: `seconds, validation_psnr_db, trial_id`.

    `seconds` are those of all distinct searches and trainings up to it, on one device; `validation_psnr_db` is of the
    best network by then, `trial_id` that network's. Trials without a validation score only cost.
    """
    rows = rows.sort_values("finished_at", kind="stable")
    seconds, scores = pd.DataFrame(_spent(rows)).sum(axis=1).cumsum(), rows["validation_psnr_db"].astype(float)
    table = rows[["trial_id"]].assign(seconds=seconds, validation_psnr_db=scores)
    table = table[~rows["train_key"].duplicated()].dropna(subset=["validation_psnr_db"])
    best = table["validation_psnr_db"].cummax()
    names = table["trial_id"].where(table["validation_psnr_db"] == best).ffill()
    return table.assign(validation_psnr_db=best, trial_id=names).reset_index(drop=True)


def gpu_hours(rows: pd.DataFrame) -> float | None:
    """Hours of GPU that the distinct searches and trainings took; None where none of them ran on one."""
    if not len(rows) or "gpu_seconds" not in rows or not rows["gpu_seconds"].notna().any():
        return None
    spent = rows[["search_seconds", "train_seconds"]].fillna(0).sum(axis=1)
    share = (rows["gpu_seconds"].fillna(0) / spent.where(spent > 0)).fillna(0)  # GPUs a trial held
    return sum(float((seconds * share).sum()) for seconds in _spent(rows).values()) / 3600


def cost_lines(rows: pd.DataFrame) -> list[str]:
    """The costs in sentences: device time, what sharing saved, GPU-hours and energy where they were measured."""
    table = costs(rows)
    learnt = table[table["stage"] != "test"]
    if not len(learnt):
        return ["No trial has finished: nothing to count."]
    seconds, alone = learnt["seconds"].sum(), learnt["seconds_alone"].sum()
    counts = " and ".join(f"{row['computed']} distinct {_PLURAL[row['stage']]}" for row in learnt.to_dict("records"))
    devices = "; ".join(sorted(set(learnt["devices"]) - {""}))
    lines = [f"{counts} took {duration(seconds)} of one device's time ({devices})."]
    if alone > seconds:
        saved = f"{duration(alone)}: sharing saved {percent(1 - seconds / alone)}"
        lines.append(f"Had every trial computed its own, they would have taken {saved}.")
    before = int(learnt["from_before"].sum())
    if before:
        lines.append(f"{before} of them were in the store already, from other studies or earlier runs.")
    hours, energy = gpu_hours(rows), rows["energy_wh"].sum(min_count=1) if "energy_wh" in rows else None
    lines.append("GPU-hours: none was used." if hours is None else f"GPU-hours: {hours:.3g}.")
    measured = energy is not None and pd.notna(energy)
    lines.append(f"Energy: {energy:.3g} Wh over all trials." if measured else "Energy was not measured.")
    return lines
