"""How figures become files, and what columns are called on an axis."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.figures.style import Figure, quantity, rendered


def test_a_picture_in_a_figure_has_150_dots_per_inch_in_both_files() -> None:
    figure = Figure(figsize=(4, 4), layout="constrained")
    figure.add_subplot().imshow(np.zeros((600, 600)))
    files = dict(rendered(figure, "one"))
    (picture,) = re.findall(rb"data:image/png;base64,\s*([^\"]+)", files["one.svg"])
    assert Image.open(io.BytesIO(files["one.png"])).size == (600, 600)
    assert 400 < Image.open(io.BytesIO(base64.b64decode(picture))).width < 600, (
        "the axes are the figure less its margins"
    )


def test_the_same_figure_is_the_same_bytes() -> None:
    def files() -> dict[str, bytes]:
        figure = Figure(figsize=(2, 2), layout="constrained")
        figure.add_subplot().plot([1, 2], [3, 4], label="a")
        return dict(rendered(figure, "name"))

    assert files() == files()
    assert set(files()) == {"name.svg", "name.png"}


def test_a_dollar_in_a_name_is_a_dollar_and_powers_of_ten_stay_powers() -> None:
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([1, 1000], [0, 1], label="$\\nonsense{$")
    axes.set(xscale="log", title="a$x_$", xlabel="$$", ylabel="one $ alone")
    axes.set_yticks([0, 1], ["$a_$", "[x] $^$"])
    axes.legend()
    figure.suptitle("/data/a$x_$ test\n$_$")
    assert set(dict(rendered(figure, "one"))) == {"one.svg", "one.png"}
    powers = [text for text in axes.get_xticklabels() if "10^{2}" in text.get_text()]
    assert [text.get_parse_math() for text in powers] == [True]
    assert not axes.title.get_parse_math()


def test_a_text_of_a_vector_graphic_is_text() -> None:
    figure = Figure(figsize=(2, 2), layout="constrained")
    figure.add_subplot().set_title("λ1 = 0.1")
    picture = dict(rendered(figure, "one"))["one.svg"].decode()
    assert re.search(r"<text[^>]*>λ1 = 0.1</text>", picture)


def test_a_notebook_shows_a_figure_by_itself_and_leaves_it_as_it_was() -> None:
    figure = Figure(figsize=(2, 2), layout="constrained")
    figure.add_subplot().set_title("$\\nonsense{$")
    shown = figure._repr_png_()
    assert Image.open(io.BytesIO(shown)).size == (220, 220)
    assert figure._repr_png_() == shown
    assert figure.get_layout_engine() is not None, "what is added later is laid out, too"


@pytest.mark.parametrize(
    ("column", "label"),
    [("parameters", ("parameters (millions)", 1e-6)), ("psnr_db", ("PSNR (dB)", 1.0)), ("channels", ("channels", 1.0))],
)
def test_a_quantity_has_its_name_its_unit_and_what_makes_it(column: str, label: tuple[str, float]) -> None:
    assert quantity(column) == label


def test_few_parameters_are_counted_in_thousands() -> None:
    assert quantity("parameters", pd.Series([9_376, -18_976])) == ("parameters (thousands)", 1e-3)
    assert quantity("parameters", pd.Series([9_376, 118_976])) == ("parameters (millions)", 1e-6)
    assert quantity("parameters", pd.Series([], dtype=float))[1] == quantity("parameters")[1]
    assert quantity("psnr_db", pd.Series([28.0])) == ("PSNR (dB)", 1.0)
