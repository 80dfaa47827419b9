"""What is wrong with a study, said before any answer: each fault with its numbers, its rows and its mend.

Nothing here changes a row or an answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.rows.configurations import KEY, LEAST_SEEDS, distinct, is_below_input, trainings
from analysis.rows.load import lacking, whole
from analysis.rows.units import counted, percent

MOVING_DB, FALLEN_DB = 0.5, 0.5
UNSTEADY = 0.1
"""A time whose series spread by more was not taken on an idle machine."""
_THREADS = r", \d+ threads?$"
"""Ends the name of a processor."""
CHECKS = (
    "networks below their input, images shared by splits, skip=global with SGD, trainings that moved or fell at their "
    "end, shared trainings, few seeds, mixed devices, testing times, and missing methods"
)


@dataclass(frozen=True)
class Finding:
    """A fault: `fault` names its kind, `text` says it with the `numbers`, `trials` are its rows, `mend` helps."""

    fault: str
    text: str
    mend: str
    trials: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


def health(
    rows: pd.DataFrame, curves: pd.DataFrame, references: pd.DataFrame, about: Mapping[str, Any] | None = None
) -> list[Finding]:
    """What is wrong with a study, the gravest first; empty where nothing was found.

    * `nameless rows`: rows of another version or origin that do not say which network they are of.
    * `below input`: networks whose PSNR is below that of the degraded input.
    * `split overlap`: `allow_overlap` was set; `about` (`study.json`) says how many images the splits share.
    * `skip with sgd`: searches with skip=global and weights_optimizer=sgd, whose supernet does not learn.
    * `still moving`, `fell`: trainings, by their curves (`training_ends`).
    * `shared trainings`: searches, over seeds and λ, that found fewer distinct trainings than they are.
    * `few seeds`: searched configurations of fewer than 3 seeds, over which no interval is given.
    * `mixed devices`: searches or trainings of which some ran on a GPU and some on a CPU.
    * `no time`: testing times that were refused. `unsteady time`: those whose series spread by more than 10 %.
    * `methods missing`: classical methods that a package was missing for.

    Args:
        rows: of `analysis.load`; `curves`, `references` and `about` are of the same study.
    """
    ended, nameless = whole(rows), list(_nameless(rows))
    if not len(ended):
        return nameless
    scored = ended.dropna(subset=["psnr_db"])
    found = [*nameless, *_below_input(scored), *_overlap(ended, about or {}), *_skip_with_sgd(ended)]
    return [
        *found,
        *_trainings(scored, curves),
        *_shared(scored),
        *_seeds(scored),
        *_devices(scored),
        *_times(ended),
        *_without_wavelets(references),
    ]


def training_ends(curves: pd.DataFrame) -> pd.DataFrame:
    """How each training ended, from the PSNR on its watched crops: one row a `trial_id` of at least 4 reports.

    `rise_db` is the mean of the last tenth of the reports (at least one) minus the mean of as many reports that lie at
    three quarters of the training; `fall_db` is the best report minus that last mean. A training that rose by more than
    0.5 dB in its last quarter was still moving; one that ended more than 0.5 dB below its best fell.
    """
    names = ["trial_id", "rise_db", "fall_db"]
    if not len(curves) or "psnr_db" not in curves:
        return pd.DataFrame(columns=names)
    watched = curves[(curves["stage"] == "train") & curves["psnr_db"].notna()].sort_values("iteration")
    found = []
    for trial, psnr_db in watched.groupby("trial_id")["psnr_db"]:
        values = psnr_db.to_numpy(float)
        if len(values) >= 4:
            few, middle = max(1, len(values) // 10), 3 * len(values) // 4
            last = values[-few:].mean()
            found.append((trial, last - values[middle - few : middle].mean(), values.max() - last))
    return pd.DataFrame(found, columns=names)


def _finding(fault: str, text: str, mend: str, of: pd.DataFrame, **numbers: float) -> Finding:
    return Finding(fault, text, mend, tuple(of["trial_id"]), {name: float(value) for name, value in numbers.items()})


def _nameless(rows: pd.DataFrame) -> Iterator[Finding]:
    lacks = lacking(rows)
    if len(lacks):
        names = ", ".join(dict.fromkeys(name for text in lacks for name in text.split(", ")))
        text = f"{counted(len(lacks), 'finished row')} without {names}: left out of every table, figure and sentence."
        mend = "run the study again in another storage, or with the version that wrote them"
        yield _finding("nameless rows", text, mend, rows.loc[lacks.index], rows=len(lacks))


def _below_input(scored: pd.DataFrame) -> Iterator[Finding]:
    below, every = distinct(scored[is_below_input(scored)]), distinct(scored)
    if not len(below):
        return
    worst = below.iloc[int((below["degraded_psnr_db"] - below["psnr_db"]).argmax())]
    numbers = {"networks": len(below), "trained": len(every), "worst_db": worst["psnr_db"]}
    yield _finding(
        "below input",
        f"Below the degraded input lie {len(below)} of {counted(len(every), 'trained network')}: the worst has "
        f"{worst['psnr_db']:.2f} dB where its input has {worst['degraded_psnr_db']:.2f}.",
        "train longer (train_iterations) or more gently (train_learning_rate, skip=global with initialisation=he)",
        scored[is_below_input(scored)],
        **numbers,
        input_db=worst["degraded_psnr_db"],
    )


def _overlap(ended: pd.DataFrame, about: Mapping[str, Any]) -> Iterator[Finding]:
    allowed = ended[ended["allow_overlap"].astype(object).eq(True)]
    if not len(allowed):
        return
    told = dict.fromkeys(line for run in about.get("runs", []) for line in run.get("overlaps", []))
    known = "; ".join(told) or "how many images they share was not recorded"
    text = f"allow_overlap=true: test scores may be of images that were learnt ({known})."
    yield _finding("split overlap", text, "take splits without common images", allowed, trials=len(allowed))


def _skip_with_sgd(ended: pd.DataFrame) -> Iterator[Finding]:
    if not {"skip", "weights_optimizer"} <= set(ended):
        return
    searched = ended[ended["kind"] == "searched"]
    those = searched[(searched["skip"] == "global") & (searched["weights_optimizer"] == "sgd")]
    if len(those):
        text = (
            f"skip=global with weights_optimizer=sgd, as in {len(those)} of the {len(searched)} searches: the supernet "
            "learns nothing, and what they chose is arbitrary."
        )
        yield _finding("skip with sgd", text, "--set weights_optimizer=adam", those, searches=len(those))


def _trainings(scored: pd.DataFrame, curves: pd.DataFrame) -> Iterator[Finding]:
    rows = distinct(scored).merge(training_ends(curves), on="trial_id")
    moving = rows[rows["rise_db"] > MOVING_DB]
    if len(moving):
        most = moving["rise_db"].max()
        text = (
            f"Still moving at the end were {len(moving)} of {counted(len(rows), 'training')}: PSNR on watched crops "
            f"rose by up to {most:.2f} dB in the last quarter, so differences are differences in speed, too."
        )
        yield _finding("still moving", text, "more train_iterations", moving, trainings=len(moving), most_db=most)
    fell = rows[rows["fall_db"] > FALLEN_DB]
    if len(fell):
        most = fell["fall_db"].max()
        share = f"{len(fell)} of {counted(len(rows), 'training')}"
        text = f"PSNR on watched crops fell before the end of {share}, by up to {most:.2f} dB from its best report."
        yield _finding("fell", text, "a lower train_learning_rate", fell, trainings=len(fell), most_db=most)


def _shared(scored: pd.DataFrame) -> Iterator[Finding]:
    searched = scored[scored["kind"] == "searched"]
    owners = pd.Series(trainings(searched), searched.index)
    counts = owners.map(owners.value_counts())
    shared = searched[counts > 1]
    if len(shared):
        count = owners.nunique()
        text = (
            f"The {len(searched)} searches led to {counted(count, 'distinct training')}: up to {counts.max()} settings "
            "share one, and are one observation of it."
        )
        mend = "read the number of distinct trainings as the number of observations; λ further apart, or more seeds"
        yield _finding("shared trainings", text, mend, shared, searches=len(searched), trainings=count)


def _seeds(scored: pd.DataFrame) -> Iterator[Finding]:
    searched = scored[scored["kind"] == "searched"]
    searched = searched if len(searched) else scored
    seeds = searched.groupby(KEY)["seed"].transform("nunique")
    few = searched[seeds < LEAST_SEEDS]
    if len(few):
        count, of, least = few[KEY].nunique(), searched[KEY].nunique(), int(seeds.min())
        text = (
            f"Fewer than {LEAST_SEEDS} seeds (the fewest: {least}) stand behind {count} of "
            f"{counted(of, 'configuration')}: they have no interval, and a difference may be the luck of a seed."
        )
        mend = f"--seeds {LEAST_SEEDS} or more; a paired test reaches 5 % from 6 seeds on"
        yield _finding("few seeds", text, mend, few, configurations=count, searched=of, seeds=least)


def _devices(scored: pd.DataFrame) -> Iterator[Finding]:
    for stage, name in (("search", "searches"), ("train", "trainings")):
        devices = scored[f"{stage}_device"].dropna() if f"{stage}_device" in scored else pd.Series(dtype=str)
        on_cpu = devices.str.contains(_THREADS)
        if on_cpu.nunique() > 1:
            text = (
                f"On a GPU ran {len(devices) - on_cpu.sum()} of {len(devices)} {name}, the others on a CPU, whose "
                "noise is another for the same crops: a pair of such rows is not paired."
            )
            few = scored.loc[on_cpu[on_cpu == (on_cpu.mean() < 0.5)].index]
            mend = "all on devices of one kind, in another storage"
            yield _finding("mixed devices", text, mend, few, rows=len(devices), on_cpu=on_cpu.sum())


def _times(ended: pd.DataFrame) -> Iterator[Finding]:
    mend = "python -m studies retime STORAGE STUDY, on an idle machine"
    refused = ended[ended["test_time_error"].notna()]
    if len(refused):
        why = refused["test_time_error"].iloc[0]
        text = f"No testing time could be taken of {len(refused)} of {counted(len(ended), 'trial')}: {why}."
        yield _finding("no time", text, mend, refused, refused=len(refused))
    spread = ended["test_time_spread"].astype(float)
    unsteady = ended[spread > UNSTEADY]
    if len(unsteady):
        text = (
            f"{len(unsteady)} of {counted(spread.notna().sum(), 'testing time')} were taken beside other load: their "
            f"series spread by up to {percent(spread.max())}, and times closer than that do not compare."
        )
        yield _finding("unsteady time", text, mend, unsteady, times=len(unsteady), most=spread.max())


def _without_wavelets(references: pd.DataFrame) -> Iterator[Finding]:
    methods = set(references["method"]) if len(references) else set()
    if "total variation" in methods and not any(name.startswith("wavelets") for name in methods):
        text = "The classical methods by wavelets were left out: the package PyWavelets was missing."
        mend = "pip install PyWavelets, and the study again in another storage"
        yield Finding("methods missing", text, mend)


def health_lines(findings: Sequence[Finding]) -> list[str]:
    """The findings in words, a line each: what is wrong, and what mends it."""
    return [f"{one.text} Mend: {one.mend}." for one in findings]
