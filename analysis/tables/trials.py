"""The table of a study's trials: one row a trial, methods without training among them."""

from collections.abc import Sequence

import pandas as pd

from analysis.rows.comparable import protocol_columns, references_beside
from analysis.rows.configurations import BELOW_INPUT, KEY, configuration_means, is_below_input
from analysis.statistics.pareto import on_front

TABLE = (
    "kind lambda1 lambda2 seed architecture parameters psnr_db ssim psnr_patch_db degraded_psnr_db test_time_ms "
    "test_time_iqr_ms test_time_spread device on_front search_stopped_at train_stopped_at trial_id doubts"
).split()


def results_table(
    group: pd.DataFrame, references: pd.DataFrame | None = None, axes: Sequence[str] = ()
) -> pd.DataFrame:
    """The rows of one protocol, best PSNR first; `on_front`: their configuration is on that of PSNR and parameters.

    `doubts` marks the rows that are below their input.

    `references` (of `analysis.load_references`) that were scored on the same pixels stand among them, as rows of kind
    `reference` with their name in the place of the architecture. Of the study's `axes`, the table has those in which
    the rows differ and which no protocol is made of.
    """
    held = {*protocol_columns(), *TABLE}
    columns = [*TABLE[:1], *(name for name in axes if name not in held and group[name].nunique() > 1), *TABLE[1:]]
    means = configuration_means(group.dropna(subset=["psnr_db"]), ["parameters", "psnr_db"])
    members = means.index[on_front(means, minimise=["parameters"], maximise=["psnr_db"])]
    front = group[KEY].isin(members) & group["psnr_db"].notna()
    doubts = pd.Series(BELOW_INPUT, group.index, dtype="str").where(is_below_input(group))
    table = group.assign(on_front=front, doubts=doubts).reindex(columns=columns)
    beside = references_beside(group, references)
    if len(beside):
        named = beside.rename(columns={"method": "architecture"}).assign(kind="reference", on_front=False)
        table = pd.concat([table, named.reindex(columns=columns).dropna(axis=1, how="all")], ignore_index=True)
    return table.sort_values("psnr_db", ascending=False, ignore_index=True, kind="stable")
