"""Which noise protocol the published baselines followed: BM3D under both, beside the figures that the paper prints.

    pip install bm3d    # free for non-commercial use only; its own licence says more
    python -m benchmarks.protocol --data DIR [--sigma 30,50,70] [--every 10] [--method BM3D] [--out FILE.csv]

* Images: every so many-th of BSD500 test by name, gray, whole (`test_border=whole`), as the paper's baselines were.
* BM3D: the package of PyPI, its default profile, told σ.
* Other methods: those of `clearer.references`, with parameters that ten validation images choose.
* A figure is the mean over the images; ± is its standard error over the images. Both protocols have the same
  images, so that what they differ by is surer than either.

The paper names no protocol. The one whose figure lies nearer to the published one is the likelier.
"""

import argparse
import importlib.util
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows.published import published
from clearer.configuration import Configuration
from clearer.images.datasets import split_files
from clearer.images.reading import ImageError
from clearer.images.sets import ImageSet, load_images
from clearer.references import available, outputs, tuned
from clearer.scores import Scores
from clearer.tasks.known import TASKS, USUAL
from clearer.tasks.task import Method

PROTOCOLS = ("clip8", "float")


def bm3d(degraded: np.ndarray, c: Configuration) -> np.ndarray:
    """Dabov et al. 2007, in the form of Mäkinen et al. 2020; of (height, width, 1)."""
    import bm3d as package

    return package.bm3d(degraded[..., 0], c.sigma / 255)[..., None]


def methods() -> dict[str, Method]:
    """BM3D where its package is installed, and the methods of `clearer.tasks`."""
    found = {"BM3D": Method(bm3d, {})} if importlib.util.find_spec("bm3d") else {}
    return {**found, **available(TASKS[USUAL])}


def measured(
    name: str, method: Method, configuration: Configuration, validation: ImageSet, test: ImageSet
) -> Iterator[dict[str, Any]]:
    """A row for each protocol: mean PSNR (dB) with its standard error and SSIM, beside the published figures."""
    c = configuration
    table = published()
    is_its = (table["method"] == name) & (table["dataset"] == c.dataset) & (table["sigma"] == c.sigma)
    paper = table[is_its].iloc[0].to_dict() if is_its.any() else {}
    for protocol in PROTOCOLS:
        one = c.with_values(protocol=protocol)
        chosen = tuned(method, one, validation) if method.grid else {}
        scores = Scores.of(outputs(method, one, test, chosen))
        psnr_db = scores.psnr_db
        error = statistics.stdev(psnr_db) / len(psnr_db) ** 0.5 if len(psnr_db) > 1 else None
        own = {"psnr_db": statistics.mean(psnr_db), "standard_error_db": error, "ssim": statistics.mean(scores.ssim)}
        said = {f"published_{score}": paper.get(score) for score in ("psnr_db", "ssim")}
        yield {"method": name, "sigma": c.sigma, "protocol": protocol, "images": len(psnr_db), **own, **said}


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows in Markdown."""
    yield "| method | σ | protocol | PSNR dB | SSIM | published | further by |"
    yield "| --- " * 7 + "|"
    for row in rows:
        error = "" if row["standard_error_db"] is None else f" ± {row['standard_error_db']:.2f}"
        paper = row["published_psnr_db"]
        said = (
            "– | –" if paper is None else f"{paper:.2f} / {row['published_ssim']:.4f} | {row['psnr_db'] - paper:+.2f}"
        )
        about = f"{row['method']} | {row['sigma']:g} | {row['protocol']}"
        yield f"| {about} | {row['psnr_db']:.2f}{error} | {row['ssim']:.4f} | {said} |"


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.protocol", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the folder that holds bsds500")
    parser.add_argument("--dataset", default="bsds500", help="default bsds500")
    parser.add_argument("--sigma", default="30,50,70", help="default 30,50,70")
    parser.add_argument("--every", type=int, default=10, help="every so many-th test image; 1: all (default 10)")
    parser.add_argument("--method", default="BM3D", help="names with commas between, or all (default BM3D)")
    parser.add_argument("--out", type=Path, help="write the rows to a CSV file")
    options = parser.parse_args(arguments)
    known = methods()
    names = list(known) if options.method == "all" else options.method.split(",")
    if missing := [name for name in names if name not in known]:
        mend = "pip install bm3d (free for non-commercial use only)" if missing == ["BM3D"] else ", ".join(known)
        parser.error(f"--method {missing[0]} is not here: {mend}")
    try:
        validation = load_images(split_files(options.dataset, "validation", options.data)[:10], 1)
        test = load_images(split_files(options.dataset, "test", options.data), 1)
    except ImageError as error:
        parser.error(str(error))
    test = ImageSet(test.names[:: options.every], test.clean[:: options.every])
    c = Configuration(dataset=options.dataset, test_border="whole")
    rows = []
    print(f"{options.dataset} test, {len(test.clean)} images, gray, whole; one draw of the noise", flush=True)
    for name in names:
        for sigma in options.sigma.split(","):
            rows += measured(name, known[name], c.with_values(sigma=float(sigma)), validation, test)
    print("\n".join(table(rows)))
    if options.out is not None:
        pd.DataFrame(rows).to_csv(options.out, index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
