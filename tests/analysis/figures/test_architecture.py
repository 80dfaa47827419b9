"""Drawings of architectures: their edges, what is drawn of them, and the small picture as XML."""

import re
import warnings
from xml.etree import ElementTree

import pytest
from architectures import every_architecture

from analysis.figures.architecture import (
    LINES,
    architecture_edges,
    architecture_svg,
    draw_architecture,
    drawn_columns,
)
from analysis.figures.style import FUSION, PARALLEL
from clearer.architecture import fusion_convolutions, module_convolutions, transition_convolutions

TEXTS = ("P", "F", "FPFP-FPFF-PFFP", "P-FF-PFP-F", "F-P-F-P-F", "-".join(["FPFPFFPP"] * 4), "-".join(["FFFFFFFF"] * 4))
SVG = "{http://www.w3.org/2000/svg}"


def test_the_columns_are_stem_transitions_modules_fusion_and_head() -> None:
    modules = ["stem", "transition", "fusion", "parallel", "transition", "fusion", "final fusion", "head"]
    assert drawn_columns("FP-F") == list(zip(modules, [0, 1, 1, 1, 2, 2, 2, 2], strict=True))


def test_the_edges_of_one_fusion_column() -> None:
    edges = architecture_edges("F")
    found = [tuple(row) for row in edges.itertuples(index=False)]
    assert found == [
        (0, 0, 0, "convolution", "stem", 0),
        (1, 0, 0, "convolution", "transition", 1),
        (1, 0, 1, "strided convolution", "transition", 1),
        (2, 0, 0, "identity", "fusion", 1),
        (2, 0, 1, "strided convolution", "fusion", 1),
        (2, 1, 0, "upsampling", "fusion", 1),
        (2, 1, 1, "identity", "fusion", 1),
        (3, 0, 0, "identity", "final fusion", 1),
        (3, 1, 0, "upsampling", "final fusion", 1),
        (4, 0, 0, "convolution", "head", 1),
    ]


@pytest.mark.parametrize("text", TEXTS)
def test_edges_that_learn_are_the_convolutions_of_the_method(text: str) -> None:
    """Every column against `clearer.architecture`: an edge down by k branches is k strided ones, an edge up a 1×1."""
    edges = architecture_edges(text)
    for (module, cell), column in edges.groupby(["module", "cell"]):
        columns = column["column"].nunique()
        down = column[column["operation"] == "strided convolution"]
        strided = int((down["target"] - down["source"]).sum())
        others = int(column["operation"].isin(["convolution", "upsampling"]).sum())
        expected = {
            "parallel": lambda cell: module_convolutions("P", cell, 2)[::2],  # a block of two is one edge
            "fusion": lambda cell: fusion_convolutions(cell + 1, 2),
            "final fusion": lambda cell: fusion_convolutions(cell + 1, 2, targets=1),
            "transition": lambda cell: transition_convolutions(cell, 2),
            "stem": lambda _: [None],
            "head": lambda _: [None],
        }[str(module)](cell)  # type: ignore[operator]
        assert strided + others == columns * len(expected), (module, cell)


@pytest.mark.parametrize("text", TEXTS)
def test_every_feature_but_the_image_is_reached_and_every_one_but_the_last_is_read(text: str) -> None:
    edges = architecture_edges(text)
    reached = {(column + 1, target) for column, target in zip(edges["column"], edges["target"], strict=True)}
    read = set(zip(edges["column"], edges["source"], strict=True))
    assert reached - read == {(len(drawn_columns(text)), 0)}
    assert read - reached == {(0, 0)}


@pytest.mark.parametrize("text", ["", "FPX", "FP--F", "fp", "F-"])
def test_what_is_no_architecture_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        architecture_svg(text)


@pytest.mark.parametrize("text", TEXTS)
def test_the_drawing_has_every_edge_in_its_colour_and_every_label_without_overlap(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_architecture(text)
        figure.draw_without_rendering()
    axes, cells = figure.axes[0], text.split("-")
    edges = architecture_edges(text)
    drawn = sum(len(collection.get_segments()) for collection in axes.collections)  # type: ignore[attr-defined]
    assert drawn == len(edges)
    assert axes.get_title() == text
    words = [label.get_text() for label in axes.texts]
    assert "".join(word for word in words if word in "PF") == "".join(cells)
    assert [word for word in words if word.startswith("cell")] == [f"cell {n}" for n in range(1, len(cells) + 1)]
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    assert ticks == ["1", "1/2", "1/4", "1/8", "1/16", "1/32"][: len(cells) + 1]
    boxes = [label.get_window_extent() for label in axes.texts]
    assert not [1 for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    legend = {label.get_text() for label in figure.legends[0].get_texts()}
    assert set(LINES) <= legend
    page = figure.get_window_extent()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= page.x0
    assert box.x1 <= page.x1
    assert figure.get_size_inches()[0] <= 8


def _segments(path: str) -> list[tuple[float, float, float, float]]:
    """The strokes of an SVG path of the commands M, m, l, h, v, H and z, as (x0, y0, x1, y1)."""
    x = y = 0.0
    found = []
    for command, text in re.findall(r"([MmlhvHz])([^A-Za-z]*)", path):
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]
        before = x, y
        if command == "M":
            x, y = numbers
        elif command in "ml":
            x, y = x + numbers[0], y + numbers[1]
        elif command in "hH":
            x = numbers[0] + (x if command == "h" else 0)
        if command in "lh":
            found.append((*before, x, y))
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_the_small_picture_is_xml_and_has_exactly_the_edges(text: str) -> None:
    root = ElementTree.fromstring(architecture_svg(text))
    assert root.tag == f"{SVG}svg"
    assert root.findtext(f"{SVG}title") == text
    assert architecture_svg(text) == architecture_svg(text)
    assert not [element for element in root.iter() if "id" in element.attrib]
    edges = architecture_edges(text)
    of_colour = {PARALLEL: "parallel", FUSION: "fusion"}
    strokes = {path.get("stroke"): _segments(path.get("d", "")) for path in root.iter(f"{SVG}path")}
    xs = [segment[0] for segments in strokes.values() for segment in segments]
    branches = text.count("-") + 2
    pitch = next(b[2] - b[0] for b in strokes["#777777"])
    tops = sorted({b[3] for b in strokes["#777777"]})
    row = tops[1] - tops[0]
    for colour, segments in strokes.items():
        if colour in (None, "#000"):
            continue
        scaled = [
            [round((x0 - min(xs)) / pitch), *((y - tops[0]) / row for y in (y0, y1))] for x0, y0, _, y1 in segments
        ]
        ends = {tuple(map(round, each)) for each in scaled}
        drawn = edges["module"].map(lambda name: name in of_colour.values())
        wanted = edges[edges["module"] == of_colour[colour]] if colour in of_colour else edges[~drawn]
        assert ends == set(zip(wanted["column"], wanted["source"], wanted["target"], strict=True))
    assert len(root.findall(f".//{SVG}text")) == branches + 1
    assert len(architecture_svg(text).encode()) < 900 + 15 * len(edges)


def test_hundreds_of_small_pictures_differ() -> None:
    texts = [str(architecture) for architecture in every_architecture((4, 4, 4))][:300]
    assert len({architecture_svg(text) for text in texts}) == 300
