"""The figure and the table of the page `clearer_p.md`: what a patch mean adds to the PSNR of an output.

    python -m benchmarks.patch_figures docs/clearer_p.csv --out docs

Reads the rows of `benchmarks/patch_artefact.py`; needs neither images nor networks.
"""

import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.style import COLOURS, GRAY
from analysis.rows.published import published
from analysis.tables.typesetting import Table, named_columns

KINDS = {"classical": COLOURS[5], "network": COLOURS[0]}
PUBLISHED = COLOURS[3]
WHITE = {"color": "white", "pad": 0.8}  # behind a number, so that a line does not cross it


def patch_gain(score: str = "psnr_db") -> dict[int, float]:
    """What CLEARER-P is published to have more than CLEARER on BSD500 test, by σ: `psnr_db`, or `ssim`."""
    rows, name = published(), score.removesuffix("_db")
    rows = rows[rows["dataset"] == "bsds500"].set_index("sigma")
    patch = rows.loc[rows["method"] == "CLEARER-P", score.replace(name, f"{name}_patch")]
    gain = (patch - rows.loc[rows["method"] == "CLEARER", score]).round(4)
    return dict(zip(gain.index.astype(int), gain, strict=True))


def gains(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a noise level and a method, in the order of `frame`: means over images and seeds, and over how many.

    `gain_db` is the patch mean less the whole image, `share` its ratio to the published gain;
    `ssim_gain` likewise by the released code's SSIM. `tiled_gain_db` is what a network loses or
    gains in whole-image PSNR by restoring tile by tile, null for other methods.
    """
    grouped = frame.groupby(["sigma", "kind", "method"], sort=False)
    table = grouped.mean(numeric_only=True).drop(columns="seed")
    table["images"], table["seeds"] = grouped["image"].nunique(), grouped["seed"].nunique()
    table["gain_db"] = table["psnr_patch_db"] - table["psnr_db"]
    table["share"] = table["gain_db"] / table.index.get_level_values("sigma").map(patch_gain("psnr_db"))
    table["ssim_gain"] = table["ssim_zero_padded_patch"] - table["ssim_zero_padded"]
    table["tiled_gain_db"] = table["psnr_tiled_db"] - table["psnr_db"]
    return table.reset_index()


def text_table(table: pd.DataFrame) -> str:
    """`gains` in Markdown, with the published row of each noise level below the measured ones."""
    rows = []
    for sigma, measured in table.groupby("sigma", sort=False):
        for row in measured.to_dict("records"):
            psnr_db = f"{row['psnr_db']:.2f}", f"{row['psnr_patch_db']:.2f}", f"{row['gain_db']:+.2f}"
            tiled = "" if pd.isna(row["tiled_gain_db"]) else f"{row['tiled_gain_db']:+.2f}"
            shares = f"{row['share']:.0%}", f"{row['ssim_gain']:+.4f}"
            rows.append((f"{sigma:g}", row["method"], *psnr_db, *shares, tiled))
        told = f"{patch_gain()[sigma]:+.2f}", "", f"{patch_gain('ssim')[sigma]:+.4f}"  # type: ignore[index]
        rows.append((f"{sigma:g}", "published: CLEARER-P over CLEARER", "", "", *told, ""))
    names = "σ, method, whole image dB, patch mean dB, gain dB, of the published, gain in SSIM, tile by tile dB"
    frame = pd.DataFrame(rows, columns=names.split(", "))
    return Table("", "", frame, named_columns(frame.columns)).markdown().rstrip("\n")


def draw(frame: pd.DataFrame) -> Figure:
    """For each noise level the gain of every method.

    A bar is the mean, a mark one image (of one seed). The published gain is a line.
    """
    frame = frame.assign(gain_db=frame["psnr_patch_db"] - frame["psnr_db"])
    table = gains(frame)
    sigmas, methods = list(dict.fromkeys(frame["sigma"])), list(dict.fromkeys(frame["method"]))
    figure = Figure(figsize=(3.1 * len(sigmas) + 1.8, 0.5 * len(methods) + 1.7), layout="constrained")
    panels = figure.subplots(1, len(sigmas), sharey=True, sharex=True, squeeze=False)[0]
    for axes, sigma in zip(panels, sigmas, strict=True):
        for row in table[table["sigma"] == sigma].to_dict("records"):
            y = -methods.index(row["method"])
            marks = frame[(frame["sigma"] == sigma) & (frame["method"] == row["method"])]["gain_db"]
            axes.barh(y + 0.14, row["gain_db"], height=0.36, color=KINDS[row["kind"]])
            axes.text(
                row["gain_db"] + 0.04, y + 0.14, f"{row['gain_db']:.2f}", va="center", fontsize=9, zorder=5, bbox=WHITE
            )
            axes.plot(marks, [y - 0.2] * len(marks), "|", color="black", alpha=0.45, markersize=7)
        axes.axvline(patch_gain()[sigma], color=PUBLISHED, linestyle="--", linewidth=1.6, zorder=4)
        axes.set(title=f"σ = {sigma:g}", xlabel="patch mean − whole image (dB)")
        axes.set_yticks([-i for i in range(len(methods))], methods)
        axes.grid(axis="x", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    handles = [
        *(Line2D([], [], color=colour, linewidth=8, label=f"{kind}, mean") for kind, colour in KINDS.items()),
        Line2D([], [], color="black", marker="|", linestyle="", alpha=0.6, label="one image"),
        Line2D([], [], color=PUBLISHED, linestyle="--", label="published gain of CLEARER-P"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    first = frame.iloc[0]
    images = f"{first['dataset']} test, first {frame['image'].nunique()} images, protocol {first['protocol']}"
    figure.suptitle(f"{images}, whole 64 × 64 tiles; the same output scored twice", fontsize=10, color=GRAY)
    return figure


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patch_figures", description=draw.__doc__)
    parser.add_argument("rows", type=Path, help="the CSV file of benchmarks/patch_artefact.py")
    parser.add_argument("--out", type=Path, required=True, help="the folder of clearer_p.png and clearer_p.svg")
    options = parser.parse_args(arguments)
    frame = pd.read_csv(options.rows)
    with mpl.rc_context({"svg.hashsalt": "clearer_p"}):  # the same rows, the same file
        figure = draw(frame)
        figure.savefig(options.out / "clearer_p.svg", metadata={"Date": None})
        figure.savefig(options.out / "clearer_p.png", dpi=150)
    print(text_table(gains(frame)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
