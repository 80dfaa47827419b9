"""Results of studies, on a laptop: needs neither torch nor Ray, only the files that a study wrote."""

from analysis.attainment import attainment
from analysis.pareto import hypervolume, hypervolume_contributions, knee, pareto_front, pareto_ranks
from analysis.results import load, load_curves, load_references, load_timings
from analysis.uncertainty import front_probability, hypervolume_interval

__all__ = [
    "attainment", "front_probability", "hypervolume", "hypervolume_contributions", "hypervolume_interval", "knee",
    "load", "load_curves", "load_references", "load_timings", "pareto_front", "pareto_ranks",
]  # fmt: skip
