"""The tables of a study: its trials, one row each, and the front of its configurations, as a paper prints it."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.rows.comparable import caption, protocol_columns, references_beside
from analysis.rows.configurations import BELOW_INPUT, KEY, configuration_means, is_below_input
from analysis.rows.units import mark, require
from analysis.statistics.pareto import TRADE, chosen, on_front, pareto_front
from analysis.tables.typesetting import Column, Table

TABLE = (
    "kind lambda1 lambda2 seed architecture parameters psnr_db ssim psnr_patch_db degraded_psnr_db test_time_ms "
    "test_time_iqr_ms test_time_spread device on_front search_stopped_at train_stopped_at trial_id doubts"
).split()
_FIGURES = "parameters psnr_db psnr_patch_db ssim validation_psnr_db test_time_ms".split()
_PRINTED = {"psnr_db": ("PSNR (dB)", 2), "ssim": ("SSIM", 4), "test_time_ms": ("time (ms)", 1)}


def results_table(
    group: pd.DataFrame, references: pd.DataFrame | None = None, axes: Sequence[str] = ()
) -> pd.DataFrame:
    """The rows of one protocol, best PSNR first; `on_front`: their configuration is on that of PSNR and parameters.

    `doubts` marks the rows that are below their input. `references` (of `analysis.load_references`) that were scored on
    the same pixels stand among them, as rows of kind `reference` with their name in the place of the architecture. Of
    the study's `axes`, the table has those in which the rows differ and which no protocol is made of.
    """
    held = {*protocol_columns(), *TABLE}
    columns = [*TABLE[:1], *(name for name in axes if name not in held and group[name].nunique() > 1), *TABLE[1:]]
    means = configuration_means(group.dropna(subset=["psnr_db"]), ["parameters", "psnr_db"])
    members = means.index[on_front(means, **TRADE)]
    front = group[KEY].isin(members) & group["psnr_db"].notna()
    doubts = pd.Series(BELOW_INPUT, group.index, dtype="str").where(is_below_input(group))
    table = group.assign(on_front=front, doubts=doubts).reindex(columns=columns)
    beside = references_beside(group, references)
    if len(beside):
        named = beside.rename(columns={"method": "architecture"}).assign(kind="reference", on_front=False)
        table = pd.concat([table, named.reindex(columns=columns).dropna(axis=1, how="all")], ignore_index=True)
    return table.sort_values("psnr_db", ascending=False, ignore_index=True, kind="stable")


class Front(pd.DataFrame):
    """A frame of configurations, a row each, of which `to_latex()` prints what belongs into a paper.

    With arguments, `to_latex` is that of pandas, and prints every column.
    """

    @property
    def _constructor(self) -> type["Front"]:
        return Front

    def to_latex(self, *arguments: Any, **more: Any) -> str:  # type: ignore[override]
        return super().to_latex(*arguments, **more) if arguments or more else self.table("pareto").latex()

    def table(self, name: str) -> Table:
        """The frame with what is printed: the settings in which rows differ, architecture, seeds, size and scores."""
        settings = list(self.columns[: self.columns.get_loc("architecture")] if "architecture" in self else ())
        told = [Column(each, mark(each)) for each in settings if self[each].nunique(dropna=False) > 1]
        told += [Column(each, each) for each in ("architecture", "seeds") if each in self]
        if "parameters" in self:
            unit, scale = ("M", 1e-6) if self["parameters"].max() >= 1e6 else ("k", 1e-3)
            told.append(Column("parameters", f"parameters ({unit})", 2, scale))
        known = [each for each in _PRINTED if each in self and self[each].notna().any()]
        told += [Column(each, _PRINTED[each][0], _PRINTED[each][1]) for each in known]
        return Table(name, self.attrs.get("caption", ""), pd.DataFrame(self).reset_index(drop=True), tuple(told))


def configuration_table(
    rows: pd.DataFrame, axes: Sequence[str], figures: Sequence[str] = (), by: Sequence[str] = (KEY,)
) -> Front:
    """One row a configuration: what it is, and means over its seeds of what was measured, and of `figures`.

    Columns: `kind`, λ1, λ2 and further `axes`, `architecture` (all that its seeds found), `seeds`, the means, the
    smallest and the largest PSNR, and `trial_id`: of its seeds the one with the best validation score. A testing time
    is there where all rows were timed on one device. `by` are columns in which the rows of a configuration agree.
    """
    named = rows.assign(_by=rows.groupby([*by], dropna=False, sort=False).ngroup())
    named = named.sort_values("validation_psnr_db", ascending=False, kind="stable")
    known = [name for name in dict.fromkeys([*_FIGURES, *figures]) if rows[name].notna().any() or not len(rows)]
    if rows["device"].nunique() > 1:
        known = [name for name in known if not name.startswith("test_time")]
    means = configuration_means(named, known, by="_by").sort_index()
    if (means["parameters"] % 1 == 0).all():
        means = means.astype({"parameters": int})
    texts = named.groupby("_by")["architecture"].agg(lambda found: ", ".join(dict.fromkeys(found)))
    about = ["kind", "lambda1", "lambda2", *axes, "architecture", "seeds"]
    shown = dict.fromkeys([*about, *known, "psnr_db_min", "psnr_db_max", "trial_id"])
    return Front(means.assign(architecture=texts)[list(shown)].reset_index(drop=True))


def front_table(rows: pd.DataFrame, axes: Sequence[str], minimise: Sequence[str], maximise: Sequence[str]) -> Front:
    """The front of `configuration_table`, ordered by the first column that is minimised, else maximised.

    Raises KeyError and ValueError as `analysis.pareto_front`, and ValueError: times of several devices.
    """
    columns = chosen(minimise, maximise)
    require(rows, *columns)
    scored = rows.dropna(subset=["psnr_db", *columns])
    if scored["device"].nunique() > 1 and any(name.startswith("test_time") for name in columns):
        devices = ", ".join(sorted(scored["device"].dropna().unique()))
        raise ValueError(f"times were taken on {devices} and do not compare: choose rows of one device")
    front = pareto_front(configuration_table(scored, axes, columns), minimise, maximise)
    front = Front(front.sort_values(columns[0], ignore_index=True, kind="stable"))
    of = " and ".join(columns)
    front.attrs["caption"] = f"The Pareto front of {of}: means over seeds. {caption(rows)}" if len(rows) else ""
    return front
