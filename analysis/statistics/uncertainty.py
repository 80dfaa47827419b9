"""How sure a front is: what other seeds, and other test images, might have given.

A configuration is a group of replicates, rows that differ in their seed alone (`replicate_id`), and its figures are
means over its seeds. Seeds are taken as a sample of all seeds, images as a sample of all images. Rows that share a
training are one observation of it, within a configuration and between configurations. A draw adds its seeds' deviations
to a configuration's mean, with random weights that give it the standard error of the mean, and divides by the root of a
chi-square, for Student's distribution. Images are drawn in the same way, with one weight an image for all
configurations. Formula, sources and measured coverage: docs/explanation/how_sure.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
import pandas as pd

from analysis.rows.configurations import KEY, LEAST_SEEDS, configuration_means, trainings
from analysis.statistics.pareto import chosen, keyed, objectives, on_front, reference_point, volume

PSNR, BY_IMAGE = "psnr_db", "psnr_by_image"
"""The column that is a mean over images, and the column of lists that it is the mean of."""


def front_probability(
    frame: pd.DataFrame,
    generator: np.random.Generator,
    minimise: Sequence[str] = (),
    maximise: Sequence[str] = (),
    by: str = KEY,
    images: bool = True,
    draws: int = 2000,
) -> pd.DataFrame:
    """One row a configuration: how probable it is that it is on the front of all configurations' true means.

    Columns: `by, seeds`, the means of the columns, `on_front` (of these means), `probability` (0 … 1: the share of
    draws in which the configuration is non-dominated). `by` may be `architecture`, or any column whose equal values
    make replicates; rows without a finite figure in one of the columns, or without a `by`, are left out. `images` draws
    test images, too, where the frame has figures by image. A configuration of fewer than three seeds has a null
    probability: too little says how it varies. The others meet it where it was measured. Raises KeyError: a column that
    `frame` lacks. Raises ValueError: as `pareto_front`; `draws` below 1; rows differ in their number of images.
    """
    sample = _sampled(frame, minimise, maximise, by, images, draws)
    table, freedom = sample.table, np.maximum(sample.seeds - 1, 1)[sample.first]
    student = _student(generator, freedom, (draws, len(freedom)))[:, sample.alike, None]
    by_seed = sample.seed_deviations(generator, draws) * student
    drawn = sample.means + by_seed
    if count := len(sample.by_image):
        drawn += sample.image_deviations(generator, draws) * _student(generator, count - 1, (draws, 1, 1))
    hits = np.zeros(len(table))
    for values in drawn if len(table) else ():
        hits += moocore.is_nondominated(values, keep_weakly=True)
    probability = np.where(sample.seeds >= LEAST_SEEDS, hits / draws, np.nan)
    return table.assign(on_front=on_front(table, minimise, maximise), probability=probability)


def hypervolume_interval(
    frame: pd.DataFrame,
    reference: Mapping[str, float],
    generator: np.random.Generator,
    minimise: Sequence[str] = (),
    maximise: Sequence[str] = (),
    by: str = KEY,
    images: bool = True,
    level: float = 0.95,
    draws: int = 2000,
) -> dict[str, float]:
    """The hypervolume of the configurations' means with a percentile interval: `hypervolume, low, high`.

    `frame`, `by` and `images` are as in `front_probability`, `reference` as in `hypervolume`. `low` and `high` are NaN
    where there is no configuration, or one of fewer than three seeds. The draws' quantiles are reflected at the
    estimate, 2 estimate - quantile: where configurations are closer than their luck, the best mean is too good, the
    estimate is too large, and the draws are so once more. Student's degrees of freedom are Welch's over the parts that
    each configuration's seeds, and the images, have in the variance. Raises KeyError: a column that `frame` lacks.
    Raises ValueError: as `hypervolume` and `front_probability`; `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: it lies between 0 and 1")
    point = reference_point(reference, minimise, maximise)
    sample = _sampled(frame, minimise, maximise, by, images, draws)
    found, low, high = volume(sample.means, point), float("nan"), float("nan")
    if len(sample.seeds) and (sample.seeds >= LEAST_SEEDS).all():
        deviations = sample.seed_deviations(generator, draws) + sample.image_deviations(generator, draws)
        deviations *= _student(generator, _freedom(sample, point), (draws, 1, 1))
        again = [volume(sample.means + one, point) for one in deviations]
        below, above = np.quantile(again, [(1 - level) / 2, (1 + level) / 2])
        low, high = max(0.0, float(2 * found - above)), float(2 * found - below)  # reflected: see the docstring
    return {"hypervolume": found, "low": low, "high": high}


@dataclass
class _Sample:
    """Configurations' means and how seeds and images depart from them; minimised columns."""

    table: pd.DataFrame  # one row a configuration: its key, `seeds`, its means with their own signs
    means: np.ndarray  # (configurations, columns)
    seeds: np.ndarray  # (configurations,)
    residuals: np.ndarray  # of every row, the rows of a configuration together: (rows, columns)
    trainings: np.ndarray  # the number of each row's training, which configurations may share: (rows,)
    by_image: np.ndarray  # of means over seeds on every image, in the place of PSNR: (images, configurations, columns)

    def __post_init__(self) -> None:
        parts = np.split(self.trainings, np.cumsum(self.seeds)[:-1]) if len(self.seeds) else []
        sets = pd.Series([tuple(sorted(part)) for part in parts], dtype=object)
        self.alike = pd.factorize(sets)[0]  # equal for configurations of the same trainings: (configurations,)
        self.first = np.flatnonzero(~sets.duplicated().to_numpy())  # the first configuration of each such number

    def seed_deviations(self, generator: np.random.Generator, draws: int) -> np.ndarray:
        """Normal draws with the covariance of the means over seeds: (draws, configurations, columns)."""
        normal = generator.standard_normal((draws, len(set(self.trainings))))[:, self.trainings]
        scale = np.sqrt(self.seeds * np.maximum(self.seeds - 1, 1))
        return np.stack([_sums(normal * column, self.seeds, axis=1) / scale for column in self.residuals.T], axis=-1)

    def image_deviations(self, generator: np.random.Generator, draws: int) -> np.ndarray:
        """Normal draws with the covariance of the means over images: (draws, configurations, columns)."""
        count = len(self.by_image)
        if not count:
            return np.zeros((draws, *self.means.shape))
        normal = generator.standard_normal((draws, count))
        return np.tensordot(normal, self.by_image, axes=1) / np.sqrt(count * (count - 1))


def _sampled(
    frame: pd.DataFrame, minimise: Sequence[str], maximise: Sequence[str], by: str, images: bool, draws: int
) -> _Sample:
    if draws < 1:
        raise ValueError(f"draws is {draws}: at least 1 is needed")
    columns, signs = chosen(minimise, maximise), np.repeat([1.0, -1.0], [len(minimise), len(maximise)])
    values, usable = objectives(frame, minimise, maximise)
    kept = keyed(frame, usable, by)
    if not kept.any():
        nothing, none = np.empty((0, len(columns))), np.empty(0, int)
        empty = pd.DataFrame({name: np.empty(0) for name in [by, "seeds", *columns]})
        return _Sample(empty, nothing, none, nothing, none, nothing[None][:0])
    owners = pd.DataFrame({"by": frame[by].to_numpy(), "training": trainings(frame)})[kept]
    kept[owners.index[owners.duplicated()]] = False
    # In one order of trainings, so that configurations of the same ones have the same means to the bit.
    order = np.lexsort((trainings(frame[kept]), pd.factorize(frame.loc[kept, by])[0]))
    rows = frame[kept].iloc[order]
    found = configuration_means(rows[[by, *columns]], columns, by)[["seeds", *columns]]
    table = found.astype(dict.fromkeys(columns, float)).reset_index()
    seeds = table["seeds"].to_numpy()
    means = table[columns].to_numpy() * signs
    residuals, own = values[kept][order] - np.repeat(means, seeds, axis=0), trainings(rows)
    by_image = np.zeros((0, *means.shape))
    if images and PSNR in columns and BY_IMAGE in frame.columns:
        place = columns.index(PSNR)
        figures = _sums(_by_image(rows), seeds) / seeds[:, None]
        by_image = np.zeros((figures.shape[1], *means.shape))
        by_image[:, :, place] = signs[place] * (figures - figures.mean(axis=1, keepdims=True)).T
    return _Sample(table, means, seeds, residuals, own, by_image)


def _sums(values: np.ndarray, seeds: np.ndarray, axis: int = 0) -> np.ndarray:
    """Sums over the rows of each configuration, which stand together; exact where the values are whole numbers."""
    return np.add.reduceat(values, np.cumsum(seeds) - seeds, axis=axis)


def _student(generator: np.random.Generator, freedom: np.ndarray | float, size: tuple[int, ...]) -> np.ndarray:
    """What makes a normal draw one of Student's t."""
    return np.sqrt(freedom / generator.chisquare(freedom, size=size))


def _freedom(sample: _Sample, point: np.ndarray) -> float:
    """Degrees of freedom of the hypervolume's standard error, from a jackknife over seeds and over images.

    Welch and Satterthwaite: (Σ v)² / Σ (v² / f), over the variances v that the seeds of each configuration, and the
    images, bring to the hypervolume, with f one less than their number. The smallest f where nothing varies.
    """
    owners = np.repeat(np.arange(len(sample.seeds)), sample.seeds)
    without = np.empty(len(owners))
    for training in set(sample.trainings):
        means, those = sample.means.copy(), sample.trainings == training
        means[owners[those]] -= sample.residuals[those] / (sample.seeds[owners[those]] - 1)[:, None]
        without[those] = volume(means, point)
    spread = without - (_sums(without, sample.seeds) / sample.seeds)[owners]
    variances = (_sums(spread**2, sample.seeds) * (sample.seeds - 1) / sample.seeds)[sample.first]
    freedoms = (sample.seeds - 1)[sample.first]
    if count := len(sample.by_image):
        left = [volume(sample.means - one / (count - 1), point) for one in sample.by_image]
        variances = np.append(variances, np.var(left) * (count - 1))
        freedoms = np.append(freedoms, count - 1)
    if not variances.any():
        return float(freedoms.min())
    return float(variances.sum() ** 2 / (variances**2 / freedoms).sum())


def _by_image(rows: pd.DataFrame) -> np.ndarray:
    """The PSNR of each row on each image: (rows, images)."""
    counts = sorted({np.size(one) if isinstance(one, list | tuple | np.ndarray) else 0 for one in rows[BY_IMAGE]})
    if len(counts) > 1 or not counts[0]:
        found = " or ".join(map(str, counts))
        raise ValueError(f"{BY_IMAGE} has {found} images a row: take rows of one protocol, or set images=False")
    if counts == [1]:
        raise ValueError(f"{BY_IMAGE} has one image a row, which says nothing of others: set images=False")
    return np.array([np.asarray(one, dtype=float) for one in rows[BY_IMAGE]])
