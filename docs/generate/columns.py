"""The page `columns.md`: every column of a row and of a curve, from their schemas; what they mean is said here."""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from clearer.configuration import field_types
from docs.generate.markdown import paragraphs, table
from studies.store.rows import CURVE, ROW

MEANINGS: Mapping[str, str] = {
    "study": "the study that the row belongs to",
    "trial_id": "12 hex digits that name the configuration; the name of the row's file",
    "replicate_id": "as `trial_id`, without the seed: trials that differ in their seed alone share it",
    "status": "`finished`, or `failed`",
    "error": "why a failed trial failed, in one line",
    "fusion_columns": "how many columns of the architecture are fusion modules",
    "parameters": "learnable parameters of the network",
    "flops": "floating-point operations for one pixel, two a multiply-add of the convolutions",
    "lambda1_multiple": "λ1 as a multiple of the threshold below which it cannot polarise α",
    "alpha": "the weight of the fusion module in each column at the end of the search",
    "psnr_db": "PSNR over whole images, in dB: the mean over the test images",
    "ssim": "SSIM over whole images: the mean over the test images",
    "psnr_patch_db": "mean over 64×64 patches of each patch's own PSNR, in dB (the paper's `CLEARER-P`)",
    "degraded_psnr_db": "PSNR of the noisy or rainy input itself, in dB",
    "ssim_zero_padded": "SSIM with black surroundings, as the released code computes it",
    "psnr_y_db": "PSNR of the luma of colour images, in dB",
    "ssim_y": "SSIM of the luma of colour images",
    "validation_psnr_db": "PSNR on fixed crops of validation images at the end of the training",
    "psnr_by_image": "`psnr_db` of every test image",
    "test_images": "how many test images were scored",
    "test_time_ms": "testing time of one image in milliseconds: the median",
    "test_time_iqr_ms": "its interquartile range",
    "test_time_spread": "how far the medians of the timed series lie apart, as a share of the median",
    "test_time_images": "how many images one timed call restores",
    "test_time_size": "width×height of these images",
    "test_time_error": "why there is no testing time",
    "test_set_seconds": "one pass over all test images, in seconds; null where `time_set` is false",
    "device": "what the testing time was taken on",
    "search_device": "what the search ran on",
    "train_device": "what the training ran on",
    "search_pack": "how many searches the search's pack was wide; 1: it ran alone",
    "train_pack": "how many trainings the training's pack was wide; 1: it ran alone",
    "search_stopped_at": "the iteration at which early stopping ended the search",
    "search_seconds": "time of the search; of one in a pack, its share",
    "train_seconds": "time of the training; of one in a pack, its share",
    "gpu_seconds": "seconds of search and training times the share of a GPU",
    "energy_wh": "watt-hours of the GPU in search and training, by the share where it is shared; needs `.[energy]`",
    "search_reused": "whether the search was in the store already, or another trial's of this run",
    "train_reused": "whether the training was in the store already, or another trial's of this run",
    "search_key": "the search's folder in `stages/search/`",
    "train_key": "the training's folder in `stages/train/`, which holds the network",
    "test_key": "the test's folder in `stages/test/`",
    "data_sha256": "a hash of all images that the trial learned from and was tested on",
    "test_pixels_sha256": "a hash of the degraded and the clean pixels that were scored",
    "host": "the machine that trained the network",
    "commit": "the commit of the code; `+changes` where files differed from it",
    "versions": "versions of Python and the libraries, as JSON",
    "started_at": "when the trial was first planned to run",
    "finished_at": "when the row was written",
}
"""What the columns of a row mean that are no fields of the configuration."""
CURVE_MEANINGS: Mapping[str, str] = {
    "trial_id": "the trial",
    "stage": "`search` or `train`",
    "iteration": "the iteration that is reported",
    "restoration_loss": "L_Res: mean squared error on crops of the split that the weights learn from",
    "alpha_loss": "L_Res on crops of the split that α learns from",
    "architecture_loss": "L_Arch, before λ1 multiplies it: how undecided α is",
    "complexity_loss": "L_Comp, before λ2 multiplies it: how expensive the modules are that α prefers",
    "alpha": "the weight of the fusion module in each column",
    "psnr_db": "PSNR in dB on fixed crops of the split that α learns from (validation)",
    "seconds": "time of the stage so far; in a pack, this member's share",
    "recorded_at": "seconds since 1970",
}
_ABOUT_COLUMNS = """
`analysis.load(STORAGE)` returns a data frame with one row a trial.
It is read from `STORAGE/studies/STUDY/trials/`, one Parquet file a trial.
The unit of a figure is in its name: `_db`, `_ms`, `_seconds`.

A figure that was not measured, or does not apply, is null. It is never 0 in place of null.
"""
_ABOUT_ASKED = """
These columns hold the configuration.
Fields that a trial does not read are null: those of the search for an architecture that was not searched, and those of
other tasks. Three columns say more than the field of the same name:

* `columns` has a number for every cell.
* `test_set` names the dataset also where the configuration leaves it empty.
* `architecture` is what the search found, where there was a search.
"""
_ABOUT_CURVES = """
`analysis.load_curves(STORAGE)` returns one row for each reported iteration of each trial, from
`STORAGE/studies/STUDY/curves/`. A loss is the mean since the row before. `alpha_loss`, `architecture_loss` and
`complexity_loss` are null in a training, and in the warm-up of a search. `alpha` is null in a training.
"""


class MeaningError(ValueError):
    """A column that has no meaning here, or a meaning that has no column."""


def columns_page() -> Iterator[str]:
    """The columns of a row, then those of a curve."""
    own = {field.name: field for field in ROW if field.name not in field_types()}
    for schema, meanings in ((list(own), MEANINGS), (CURVE.names, CURVE_MEANINGS)):
        check_meanings(schema, meanings)
    yield "# Columns of the results\n"
    yield from paragraphs(_ABOUT_COLUMNS)
    yield "## What was found\n"
    yield from table(["column", "type", "meaning"], ([f"`{n}`", _arrow(own[n].type), MEANINGS[n]] for n in own))
    yield "## What was asked\n"
    yield from paragraphs(_ABOUT_ASKED)
    configured = [ROW.field(name) for name in field_types()]
    yield from table(["column", "type"], ([f"[`{f.name}`](configuration.md)", _arrow(f.type)] for f in configured))
    yield "## Curves\n"
    yield from paragraphs(_ABOUT_CURVES)
    yield from table(
        ["column", "type", "meaning"], ([f"`{f.name}`", _arrow(f.type), CURVE_MEANINGS[f.name]] for f in CURVE)
    )


def check_meanings(columns: Sequence[str], meanings: Mapping[str, str]) -> None:
    """Raises MeaningError where a column has no meaning or a meaning no column."""
    missing, left = set(columns) - set(meanings), set(meanings) - set(columns)
    if missing or left:
        raise MeaningError(f"columns without a meaning: {sorted(missing)}; meanings without a column: {sorted(left)}")


def _arrow(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_arrow(kind.value_type)}s"
    names = {pa.int64(): "whole number", pa.float64(): "number", pa.string(): "text", pa.bool_(): "true or false"}
    return names.get(kind, "time (UTC)")
