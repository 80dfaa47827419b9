"""What the page shows of every network: its row, its file, its curve, its restored image, and how points of it look."""

import io
from base64 import b64encode
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from analysis.figures.pareto import pareto_table, symbols, with_looks
from analysis.rows.configurations import KEY, configuration_name
from analysis.rows.study import StudyRows
from analysis.statistics.pareto import TRADE, on_front
from analysis.storage.files import Files

MOST_PICTURES, _MOST_POINTS, _SIDE = 60, 200, 640
"""Restored images that a page holds; points of a curve that it draws; pixels of the longest side of an image."""


def networks(results: StudyRows, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry a scored trial of one protocol, best PSNR first, for the page's script.

    `trial, configuration` (its `replicate_id`), `name, kind, seed, architecture`, `figures` (a text), `values` (by
    column, of the axes and of what was measured), `weights` (the file, below the storage), `picture` (its key in
    `pictures`), `curve` (iterations and PSNR), `training` (equal where trials share one), `colour, symbol, on_front`.
    """
    rows = rows.dropna(subset=["psnr_db"]).sort_values("psnr_db", ascending=False, kind="stable")
    looks = with_looks(pareto_table(rows, "parameters")).set_index(KEY)
    looks["symbol"] = symbols(looks)
    curves = results.curves.reindex(columns=["trial_id", "stage", "iteration", "psnr_db"])
    trained = curves[(curves["stage"] == "train") & curves["psnr_db"].notna()].sort_values("iteration")
    by_trial = dict(tuple(trained.groupby("trial_id")))
    names = [*dict.fromkeys([*results.axes, "parameters", "test_time_ms", "psnr_db"])]
    found = []
    for row in rows.to_dict("records"):
        time = f"{row['test_time_ms']:.1f} ms per image" if pd.notna(row["test_time_ms"]) else "not timed"
        ssim = f", SSIM {row['ssim']:.4f}" if pd.notna(row["ssim"]) else ""
        about = {"trial": row["trial_id"], "configuration": row[KEY], "kind": row["kind"], "seed": int(row["seed"])}
        about |= {"name": configuration_name(row, results.axes), "architecture": row["architecture"]}
        about |= {"figures": f"{row['psnr_db']:.2f} dB{ssim}; {row['parameters']:,} parameters; {time}"}
        about |= {"values": {name: _value(row[name]) for name in names if name in row}}
        about |= {"weights": f"stages/train/{row['train_key']}/network.safetensors", "training": row["train_key"]}
        about |= {"picture": row["test_key"], "curve": _curve(by_trial.get(row["trial_id"], trained[:0]))}
        about |= {name: looks.loc[row[KEY], name] for name in ("colour", "symbol")}
        found.append(about | {"on_front": bool(looks.loc[row[KEY], "on_front"])})
    return found


def _value(value: Any) -> float | str | None:
    is_number = isinstance(value, int | float | np.number)
    return None if pd.isna(value) else float(value) if is_number else str(value)


def _curve(curve: pd.DataFrame) -> list[list[float]]:
    kept = curve.iloc[:: max(1, len(curve) // _MOST_POINTS)]
    return [kept["iteration"].tolist(), kept["psnr_db"].round(3).tolist()]


def pictures(results: StudyRows, rows: pd.DataFrame) -> dict[str, str]:
    """The first test image as each of the first `MOST_PICTURES` tests of `rows` restored it: addresses by `test_key`.

    Those of the front come first, then the best ones; `clean` and `degraded` are what they were made from.
    """
    scored = rows.dropna(subset=["psnr_db", "test_key"])
    order = scored.assign(front=on_front(scored, **TRADE)).sort_values(["front", "psnr_db"])
    files, found = Files(results.storage), dict[str, str]()
    for key in order["test_key"].drop_duplicates()[::-1][:MOST_PICTURES]:
        data = files.read(f"stages/test/{key}/example.png")
        if data is None:
            continue
        with Image.open(io.BytesIO(data)) as whole:
            width = whole.width // 3
            parts = [whole.crop((place * width, 0, (place + 1) * width, whole.height)) for place in range(3)]
        if not found:
            found |= {"clean": _address(parts[0]), "degraded": _address(parts[1])}
        found[key] = _address(parts[2])
    return found


def _address(picture: Image.Image) -> str:
    picture.thumbnail((_SIDE, _SIDE))
    data = io.BytesIO()
    picture.save(data, "WEBP", quality=90)
    return f"data:image/webp;base64,{b64encode(data.getvalue()).decode()}"
