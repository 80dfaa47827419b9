"""Does a task want its own architecture: what each task found, trained on every task."""

from __future__ import annotations

import pandas as pd

KEYS = ("source", "target", "seed", "architecture", "psnr_db")


def task_names(rows: pd.DataFrame) -> pd.Series:
    """The task of every row in a word: `σ=30`, `derain`."""
    return pd.Series(
        [
            "derain" if task == "derain" else f"σ={sigma:g}"
            for task, sigma in zip(rows["task"], rows["sigma"], strict=True)
        ],
        index=rows.index,
        dtype=object,
    )


def transfer(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each architecture that a task's search found and each task that it was trained on, per seed.

    `source` is the task that found it, `target` the one that it was trained and tested on; `psnr_db` of the target's test.
    Rows of a search whose seed another task lacks are left out with that task.
    """
    if not len(rows):
        return pd.DataFrame(columns=list(KEYS))
    named = rows.assign(target=task_names(rows)).dropna(subset=["psnr_db"])
    searched = named[named["kind"] == "searched"]
    own = searched.assign(source=searched["target"])[list(KEYS)]
    found = own[["source", "seed", "architecture"]].drop_duplicates()
    given = named[named["kind"] == "given"][["target", "seed", "architecture", "psnr_db"]]
    others = found.merge(given, on=["seed", "architecture"])
    others = others[others["source"] != others["target"]]
    return pd.concat([own, others[list(KEYS)]], ignore_index=True).drop_duplicates()


def transfer_lines(rows: pd.DataFrame) -> list[str]:
    """The table of mean PSNR by source and target, and for each target what its own architecture gains over the others'."""
    table = transfer(rows)
    if table["source"].nunique() < 2:
        return []
    means = table.pivot_table(index="source", columns="target", values="psnr_db", aggfunc="mean")
    lines = ["PSNR in dB of the architecture that a task found (row), trained and tested on a task (column):"]
    lines += means.to_string(float_format=lambda value: f"{value:.2f}", na_rep="").splitlines()
    for target, group in table.groupby("target"):
        own = group[group["source"] == target].groupby("seed")["psnr_db"].mean()
        other = group[group["source"] != target].groupby("seed")["psnr_db"].mean()
        gains = (own - other).dropna()
        if len(gains):
            spread = f", standard deviation {gains.std():.2f}" if len(gains) > 1 else ""
            lines.append(
                f"{target}: its own architecture gains {gains.mean():+.2f} dB over the other tasks' ({_seeds(len(gains))}{spread})"
            )
    return lines


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count > 1 else ''}"
