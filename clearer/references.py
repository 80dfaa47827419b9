"""References: what the classical methods of a task, which need no training, score under a configuration's protocol.

    python -m clearer.references --dataset bsds500 --data DIR --sigma 30 --protocol clip8 [--limit N] [--out FILE.csv]

A method's parameters are those of a small grid with the best mean PSNR on validation images. It is scored as
`clearer.testing.score` does a network.
"""

import csv
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from clearer.command import OneLineParser, path
from clearer.configuration import Configuration, parse_value
from clearer.fields import ConfigurationError
from clearer.images.reading import ImageError
from clearer.images.sets import ImageSet
from clearer.machine import device_name
from clearer.scores import Scores, mean_psnr_db
from clearer.splits import learning_images, scored_images
from clearer.tasks.known import USUAL, departures, task_of
from clearer.tasks.task import Method, Task
from clearer.testing import degraded_inputs, inside, scored_pixels


def available(task: Task) -> dict[str, Method]:
    """The methods of a task that can run here, where the packages are that they need."""
    return {name: m for name, m in task.methods().items() if importlib.util.find_spec(m.package[0]) is not None}


def outputs(
    method: Method, c: Configuration, images: ImageSet, parameters: Mapping[str, Any]
) -> Iterator[list[np.ndarray]]:
    """Clean, degraded and restored scored pixels of every image: float32, 1.0 is white; restored is in 0 … 1."""
    for clean, degraded in zip(images.clean, degraded_inputs(c, images), strict=True):
        restored = method.restore(degraded, c, **parameters).clip(0, 1).astype(np.float32)
        yield inside(c, scored_pixels(c, clean), degraded, restored)


def tuned(method: Method, c: Configuration, validation: ImageSet) -> dict[str, Any]:
    """The parameters of the method's grid with the best mean PSNR over the validation images; the first of equals."""
    return max(method.choices(), key=lambda chosen: mean_psnr_db(outputs(method, c, validation, chosen)))


def scored(c: Configuration, validation: ImageSet, test: ImageSet) -> Iterator[tuple[dict[str, Any], Scores]]:
    """A row (mean scores, chosen parameters) and the scores of each method, the degraded input first."""
    about = {name: getattr(c, name) for name in ("task", "dataset", "sigma", "protocol", "test_border")}
    about |= {"test_images": len(test.clean), "validation_images": len(validation.clean), "device": device_name("cpu")}
    task, pairs = task_of(c), zip(test.clean, degraded_inputs(c, test), strict=True)
    # Not clipped: what doing nothing scores.
    scores = Scores.of(inside(c, scored_pixels(c, clean), degraded, degraded) for clean, degraded in pairs)
    yield {"method": task.input_name, **scores.means(), "chosen": "", **about}, scores
    for name, method in available(task).items():
        chosen = tuned(method, c, validation)
        text = " ".join(f"{parameter}={value}" for parameter, value in chosen.items())
        scores = Scores.of(outputs(method, c, test, chosen))
        yield {"method": name, **scores.means(), "chosen": text, **about}, scores


def table(found: Sequence[Mapping[str, Any]], c: Configuration) -> str:
    """The rows as text: what they were measured on, then a line a method."""
    task, about = task_of(c), "{dataset} test, {test_images} images, {said}, {test_border}; parameters "
    about += "chosen on {validation_images} validation images; {device}"
    lines = [about.format(**found[0], said=task.said(c))]
    lines.append(f"{'method':<24}{'PSNR dB':>9}{'SSIM':>9}{'patch PSNR dB':>15}   parameters")
    line = "{method:<24}{psnr_db:>9.2f}{ssim:>9.4f}{psnr_patch_db:>15.2f}   {chosen}"
    lines += [line.format(**row) for row in found]
    missing = {name: method.package[1] for name, method in task.methods().items() if name not in available(task)}
    return "\n".join([*lines, *(f"{name}: needs {it} (pip install {it})" for name, it in missing.items())])


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; the exit status."""
    about = "What classical methods score on a test set."
    parser = OneLineParser(prog="python -m clearer.references", description=about)
    add = parser.add_argument
    add("--dataset", default="bsds500", help="as --set dataset= of a study (default bsds500)")
    add("--data", type=path, help="the folder that holds the datasets")
    add("--sigma", type=float, default=30.0, help="noise on the 0-255 scale (default 30)")
    add("--protocol", default="clip8", help="clip8 or float (default clip8)")
    add("--image-channels", type=int, default=1, help="1 gray, 3 RGB (default 1)")
    add("--set", nargs="+", default=[], metavar="field=value", help="any field, such as task=jpeg quality=10")
    add("--limit", type=int, default=0, help="the first so many test images by name; 0: all")
    add("--validation-limit", type=int, default=10, help="as --limit, to choose parameters (default 10)")
    add("--out", type=path, help="write the rows to a CSV file")
    o = parser.parse_args(arguments)
    named = {name: getattr(o, name) for name in ("dataset", "sigma", "protocol", "image_channels")}
    try:
        given = {name: parse_value(name, value) for name, _, value in (text.partition("=") for text in o.set)}
        its = departures(given.get("task", USUAL)).get("", {})
        c = Configuration(**{**its, **named, **given, "test_limit": o.limit})
        validation = learning_images(c, "validation", o.data).first(o.validation_limit)
        test = scored_images(c, o.data)
    except (ConfigurationError, ImageError) as error:
        parser.error(str(error))
    found = [row for row, _ in scored(c, validation, test)]
    print(table(found, c))
    if o.out is not None:
        with o.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(found[0]))
            writer.writeheader()
            writer.writerows(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
