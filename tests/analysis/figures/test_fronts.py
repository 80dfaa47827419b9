"""Figures: the numbers that are drawn."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from analysis.figures.fronts import alpha_table, draw_alpha, draw_pareto, pareto_table
from analysis.figures.style import rendered

ROWS = pd.DataFrame(
    [
        ("a", "searched", 0.0, 0.0, 0, 30.0, 100), ("a", "searched", 0.0, 0.0, 1, 31.0, 120), ("b", "searched", 0.1, 0.0, 0, 29.0, 200),
        ("c", "random", None, None, 0, 28.0, 50), ("d", "random", None, None, 0, None, 60),
    ],
    columns=["replicate_id", "kind", "lambda1", "lambda2", "seed", "psnr_db", "parameters"],
)  # fmt: skip


def test_a_point_is_the_mean_over_the_seeds_of_one_configuration() -> None:
    table = pareto_table(ROWS, "parameters").set_index(["kind", "lambda1"])
    first = table.loc[("searched", 0.0)]
    assert (first["psnr_db"], first["cost"], first["seeds"]) == (30.5, 110, 2)
    assert (first["psnr_low_db"], first["psnr_high_db"]) == (30, 31)
    assert len(table) == 3, "a row without a PSNR is no point"


def test_the_front_is_of_the_points() -> None:
    table = pareto_table(ROWS, "parameters")
    assert table.set_index("cost")["on_front"].to_dict() == {110: True, 200: False, 50: True}


def test_the_figure_has_units_a_legend_and_every_point() -> None:
    figure = draw_pareto(ROWS, "parameters", "the protocol")
    axes = figure.axes[0]
    assert axes.get_xlabel() == "parameters (millions)"
    assert axes.get_ylabel() == "PSNR (dB)"
    assert figure.get_suptitle() == "the protocol"
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == ["λ1 = 0", "λ1 = 0.1", "λ2 = 0", "random architecture", "Pareto front", "dominated (pale)"]
    drawn = sorted((line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1)
    assert drawn == [pytest.approx(point) for point in [(50e-6, 28.0), (110e-6, 30.5), (200e-6, 29.0)]]


def test_more_values_of_lambda_than_colours_and_markers_are_drawn_with_a_short_legend() -> None:
    grid = [(a / 100, b / 10) for a in range(40) for b in range(10)]
    rows = pd.DataFrame({
        "replicate_id": [f"{number}" for number in range(len(grid))], "kind": "searched", "lambda1": [a for a, _ in grid],
        "lambda2": [b for _, b in grid], "parameters": range(len(grid)), "psnr_db": [a + b for a, b in grid],
    })  # fmt: skip
    figure = draw_pareto(rows, "parameters", "the protocol")
    axes = figure.axes[0]
    drawn = {(x, y) for line in axes.lines if line.get_marker() == "o" for x, y in zip(*line.get_data(), strict=True)}
    assert drawn == {(1e-6 * cost, psnr) for cost, psnr in zip(rows["parameters"], rows["psnr_db"], strict=True)}
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[0] == "λ1 = 0"
    assert "λ1 = 0.39" in texts
    assert len(texts) <= 10


def test_alpha_is_drawn_for_every_column_and_reported_iteration_of_the_search() -> None:
    curve = pd.DataFrame(
        [("train", 10, None), ("search", 20, [0.6, 0.3, 0.2]), ("search", 10, [0.5, 0.5, 0.5])],
        columns=["stage", "iteration", "alpha"],
    )
    table = alpha_table(curve)
    assert table.index.tolist() == [10, 20]
    assert table.loc[20].tolist() == [0.6, 0.3, 0.2]
    panels = draw_alpha(curve, "FP-P").axes
    assert [axes.get_title() for axes in panels] == ["cell 1", "cell 2"]
    drawn = {
        (number, line.get_label()): line.get_ydata().tolist()
        for number, axes in enumerate(panels, start=1)
        for line in axes.lines
        if str(line.get_label()).startswith("column")
    }
    assert drawn == {
        (1, "column 1: F"): [0.5, 0.6], (1, "column 2: P"): [0.5, 0.3], (2, "column 1: P"): [0.5, 0.2],
    }  # fmt: skip


def test_a_trial_without_a_search_has_no_alpha() -> None:
    assert alpha_table(pd.DataFrame({"stage": ["train"], "iteration": [1], "alpha": [None]})).empty


def test_a_picture_in_a_figure_has_150_dots_per_inch_in_both_files() -> None:
    figure = Figure(figsize=(4, 4), layout="constrained")
    figure.add_subplot().imshow(np.zeros((600, 600)))
    files = dict(rendered(figure, "one"))
    (picture,) = re.findall(rb"data:image/png;base64,\s*([^\"]+)", files["one.svg"])
    assert Image.open(io.BytesIO(files["one.png"])).size == (600, 600)
    assert 400 < Image.open(io.BytesIO(base64.b64decode(picture))).width < 600, (
        "the axes are the figure less its margins"
    )
