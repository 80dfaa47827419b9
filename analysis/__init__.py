"""Results of studies, on a laptop: needs neither torch nor Ray, only the files that a study wrote."""

from analysis.against_random import search_against_random
from analysis.consensus import column_agreement, seed_agreement
from analysis.effects import effects, main_effects
from analysis.paired import comparisons, paired_difference
from analysis.pareto import pareto_front
from analysis.results import load, load_curves, load_references, load_timings

__all__ = [
    "column_agreement",
    "comparisons",
    "effects",
    "load",
    "load_curves",
    "load_references",
    "load_timings",
    "main_effects",
    "paired_difference",
    "pareto_front",
    "search_against_random",
    "seed_agreement",
]
